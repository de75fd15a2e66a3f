"""Four families of forgery that show over time; in any one frame they look like what honest clips show too.

Honest faces pass through filters as well. In all forged clips, and in a share `RETOUCHED` of the real ones, the inner
face departs from the head that wears it: in tint, in how it is turned, in the place of its features, in sharpness. A
retouched real clip keeps its departures for all frames; a forgery is made frame by frame, and some of them change:

- `flicker`: another person's face, whose tint changes from frame to frame;
- `drift`: another person's face, which slides over the head on a path of its own;
- `lipsync`: the mouth follows another, faster speech than brows and head do;
- `resynthesis`: features have another place, and edges another sharpness, in each frame.

In all four the tint trembles too, `TREMOR` times as much as in `flicker`. Forgers are not equally careless: what
changes is, from clip to clip, anything from `CARELESSNESS` times `strength` to all of it, so that some forgeries show
plainly and some hardly. At each time the departures of a retouched
real clip and of a forged one have the same distribution, so that one frame tells a forgery only from the real clips
without a filter (and, faintly, by a mouth that does not go with its brows).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.motion import Motion, mouth_open, wave
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.surface import cover, ellipse, surface

RETOUCHED = 0.6
TREMOR = 0.7
CARELESSNESS = 0.1  # of the most careful forger
SLIDE = (2.0, 5.0)  # slowest and fastest wave of a face that slides, in Hz
FAST_SPEECH = (6.0, 12.0)  # Hz
PLACES = ("eye_height", "eye_distance", "brow_height", "nose_length", "mouth_height", "mouth_width")
SWAPPED = (
    *PLACES,
    *("eye_colour", "eye_width", "eye_opening", "eye_slant", "iris_radius", "brow_thickness", "brow_arch"),
    *("nose_width", "lip_thickness", "blush", "shine", "pores"),
)
# what departs: (how many numbers, the standard deviation of each)
DEPARTURES = {
    "tint": (3, 0.20),  # relative, of each colour
    "turn": (2, 0.20),  # radians: yaw, pitch
    "places": (len(PLACES), 0.035),  # face units
    "softness": (1, 0.5),  # of the logarithm of the blur
}
BLUR = 0.8  # median standard deviation of a departing face's softening, in pixels of a 64-pixel picture
CHANGING = {
    "flicker": {"tint"},
    "drift": {"turn"},
    "lipsync": set(),
    "resynthesis": {"places", "softness"},
}
FAMILIES = tuple(CHANGING)


def pictures(
    target: Identity,
    donor: Identity,
    motion: Motion,
    size: int,
    family: str,
    strength: float,
    steady: np.random.Generator,
    changing: np.random.Generator,
) -> Iterator[np.ndarray]:
    """The frames of a clip before any camera: (size, size, 3), float32, in [0, 1], one for each scene of `motion`.

    `family` is "" for a real clip, else one of `FAMILIES`; `strength`, in (0, 1], is the largest share of a departure's
    standard deviation that changes within a clip. `steady` draws what stays, the same for real and forged clips, and
    `changing` what changes; `donor` lends the face to `flicker` and `drift`.
    """
    retouched = steady.random() < RETOUCHED
    departing = departures(family, len(motion.scenes), strength, steady, changing)
    speech = motion.speech
    if family == "lipsync":
        speech = mix(speech, wave(changing, len(speech), *FAST_SPEECH), strength)
    face = (
        replace(target, **{name: getattr(donor, name) for name in SWAPPED})
        if family in ("flicker", "drift")
        else target
    )
    for time, (scene, mouth) in enumerate(zip(motion.scenes, mouth_open(speech), strict=True)):
        picture = render(target, scene, size)
        if family or retouched:
            departure = {name: path[time] for name, path in departing.items()}
            worn = _depart(face, replace(scene, mouth_open=mouth), size, **departure)
            picture += _inner_face(target, scene, size)[..., None] * (worn - picture)
        yield np.clip(picture, 0, 1).astype(np.float32)


def departures(
    family: str, frames: int, strength: float, steady: np.random.Generator, changing: np.random.Generator
) -> dict[str, np.ndarray]:
    """What departs and how far at each time: paths (frames, count) by the names of `DEPARTURES`.

    Every value is normal with mean 0 and the standard deviation that `DEPARTURES` gives, in every family and at each
    time; families differ in how one frame's values go with the next one's.

    >>> path = departures("drift", 8, 0.5, np.random.default_rng(0), np.random.default_rng(1))
    >>> path["turn"].shape, bool((path["places"] == path["places"][0]).all())
    ((8, 2), True)
    """
    largest = strength * changing.uniform(CARELESSNESS, 1)
    paths = {}
    for name, (count, deviation) in DEPARTURES.items():
        path = np.broadcast_to(steady.normal(size=count), (frames, count))
        if family and name in CHANGING[family] | {"tint"}:
            share = largest if name in CHANGING[family] else TREMOR * largest
            new = wave(changing, frames, *SLIDE, count) if name == "turn" else changing.normal(size=(frames, count))
            path = mix(path, new, share)
        paths[name] = deviation * path
    return paths


def mix(steady: np.ndarray, changing: np.ndarray, share: float) -> np.ndarray:
    """√(1 − share²) steady + share changing: standard normal at each time if both are, and independent.

    >>> mix(np.array([1.0, 1.0]), np.array([0.0, 5.0]), 0.6).tolist()
    [0.8, 3.8]
    """
    return np.sqrt(1 - share**2) * steady + share * changing


def _depart(
    face: Identity,
    scene: Scene,
    size: int,
    tint: np.ndarray,
    turn: np.ndarray,
    places: np.ndarray,
    softness: np.ndarray,
) -> np.ndarray:
    face = replace(face, **{name: getattr(face, name) + by for name, by in zip(PLACES, places, strict=True)})
    scene = replace(scene, yaw=scene.yaw + turn[0], pitch=scene.pitch + turn[1])
    sigma = BLUR * np.exp(softness[0]) * size / 64
    return gaussian_filter(render(face, scene, size), (sigma, sigma, 0)) * (1 + tint)


def _inner_face(identity: Identity, scene: Scene, size: int) -> np.ndarray:
    """From the forehead to the chin: weights (size, size) in [0, 1].

    Wider than `forgery.inner_face`, so that a turned face's brows do not stand beside those beneath it.
    """
    at = surface(identity, scene, size)
    return cover(ellipse(at.face_x, at.face_y - 0.18, identity.width * 0.85, 0.82), 0.16) * at.face
