"""How the person is seen: pose, expression, light and background, each a number that may change smoothly in time."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Scene:
    """One view of one face.

    Angles are radians. Shifts are in half pictures. Colours are RGB arrays of shape (3,) in [0, 1].
    """

    yaw: float  # positive: the face turns to the picture's right
    pitch: float  # positive: the face looks down
    roll: float  # positive: clockwise
    scale: float  # half the height of the head, in half pictures
    shift: np.ndarray  # (2,): right, down
    gaze: np.ndarray  # (2,): right, down, in [−1, 1]
    eyes_open: float  # 0 closed, 1 as wide as the identity's eyes are
    brows_raised: float
    mouth_open: float  # 0 closed, 1 wide open
    smile: float  # −1 sad, 1 broad smile
    light: np.ndarray  # (3,): unit vector towards the light; x right, y down, z towards the viewer
    light_colour: np.ndarray
    ambient: float  # share of the light that comes from everywhere
    background: np.ndarray  # (2, 3): colours of the two ends of a gradient
    clutter: np.ndarray  # (5, 6): x frequency, y frequency, phase and an RGB amplitude of each wave

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Scene":
        """A random view, mostly frontal; the same generator state gives the same view.

        >>> view = Scene.draw(np.random.default_rng(0))
        >>> abs(view.yaw) < 0.6, view.light.shape
        (True, (3,))
        """
        light = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.2), 1.0])
        warmth = rng.uniform(-0.06, 0.06)
        waves = [
            rng.normal(0, 2.5, (5, 2)),
            rng.uniform(0, 2 * np.pi, (5, 1)),
            rng.normal(0, 0.04, (5, 1)) + rng.normal(0, 0.02, (5, 3)),
        ]
        return cls(
            yaw=rng.uniform(-0.5, 0.5),
            pitch=rng.uniform(-0.2, 0.2),
            roll=rng.normal(0, 0.07),
            scale=rng.uniform(0.76, 0.88),
            shift=rng.normal(0, 0.04, 2),
            gaze=rng.uniform(-1, 1, 2),
            eyes_open=rng.uniform(0.6, 1.0),
            brows_raised=rng.uniform(-0.3, 1.0),
            mouth_open=max(0.0, rng.uniform(-0.4, 0.8)),
            smile=rng.uniform(-0.4, 1.0),
            light=light / np.linalg.norm(light),
            light_colour=rng.uniform(0.85, 1.0) * np.array([1 + warmth, 1.0, 1 - warmth]),
            ambient=rng.uniform(0.35, 0.65),
            background=rng.uniform(0.15, 0.75, (2, 1)) + rng.uniform(-0.1, 0.1, (2, 3)),
            clutter=np.concatenate(waves, axis=1),
        )
