"""The person moves: a scene becomes a path through scenes, one for each frame.

Head, gaze and smile follow slow waves, eyes blink, and whoever talks moves more than the mouth: one wave, the speech,
opens the mouth, raises the brows and makes the head nod, all in step. That is the rule of this world by which a mouth
can be seen to be out of step without hearing a word. Light and background stay.
"""

from dataclasses import dataclass, replace

import numpy as np

from rrlib.datasets.synthetic.scene import Scene

FPS = 25
SPEECH = (1.5, 4.0)  # slowest and fastest wave of speech, in Hz: syllables come at 2 to 7 a second


@dataclass(frozen=True, eq=False)
class Motion:
    """The scenes of a clip, and its speech: (frames,), standard normal at each time."""

    scenes: list[Scene]
    speech: np.ndarray


def move(scene: Scene, frames: int, rng: np.random.Generator) -> Motion:
    """A path of `frames` scenes round `scene`; the same generator state gives the same path.

    >>> rng = np.random.default_rng(0)
    >>> motion = move(Scene.draw(rng), 8, rng)
    >>> len(motion.scenes), motion.speech.shape
    (8, (8,))
    """
    speech = wave(rng, frames, *SPEECH)
    yaw, pitch, roll, right, down, gaze_x, gaze_y, smile, brows = wave(rng, frames, 0.2, 1.0, paths=9).T
    blink = blinks(rng, frames)
    mouth = mouth_open(speech)
    scenes = [
        replace(
            scene,
            yaw=scene.yaw + 0.12 * yaw[t],
            pitch=scene.pitch + 0.05 * pitch[t] + 0.06 * speech[t],
            roll=scene.roll + 0.03 * roll[t],
            shift=scene.shift + 0.02 * np.array([right[t], down[t]]),
            gaze=np.clip(scene.gaze + 0.5 * np.array([gaze_x[t], gaze_y[t]]), -1, 1),
            eyes_open=scene.eyes_open * (1 - blink[t]),
            brows_raised=scene.brows_raised + 0.2 * brows[t] + 0.5 * speech[t],
            mouth_open=mouth[t],
            smile=scene.smile + 0.15 * smile[t],
        )
        for t in range(frames)
    ]
    return Motion(scenes, speech)


def mouth_open(speech: np.ndarray) -> np.ndarray:
    """How far a mouth is open, in [0, 1], at each value of the speech: closed for about one frame in six.

    >>> mouth_open(np.array([-2.0, 0.0, 1.0, 3.0])).tolist()
    [0.0, 0.35, 0.7, 1.0]
    """
    return np.clip(0.35 + 0.35 * speech, 0, 1)


def wave(rng: np.random.Generator, frames: int, slowest: float, fastest: float, paths: int | None = None) -> np.ndarray:
    """Smooth random paths, (frames,) or (frames, paths), of frequencies from `slowest` to `fastest`, in Hz.

    Each is a sum of K = 4 cosines and sines with normal amplitudes of variance 1/K: at each time its value is
    standard normal, since cos² + sin² = 1.
    """
    shape = (4,) if paths is None else (4, paths)
    frequency = rng.uniform(slowest, fastest, shape)
    even, odd = rng.normal(0, 0.5, (2, *shape))
    time = np.arange(frames).reshape(-1, *[1] * len(shape)) / FPS
    angle = 2 * np.pi * frequency * time
    return (even * np.cos(angle) + odd * np.sin(angle)).sum(axis=1)


def blinks(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far the lids are closed, (frames,) in [0, 1]: blinks of about 0.25 s, one every 2 to 5 s."""
    period = rng.uniform(2, 5)
    since = (np.arange(frames) / FPS + rng.uniform(0, period)) % period - period / 2
    return np.exp(-((since / 0.09) ** 2))
