"""Who is in the picture: everything about a drawn face that no movement changes."""

from dataclasses import dataclass

import numpy as np

SKIN = np.array([[0.95, 0.80, 0.72], [0.87, 0.68, 0.56], [0.74, 0.54, 0.41], [0.56, 0.39, 0.29], [0.40, 0.27, 0.21]])
HAIR = np.array(
    [
        [0.10, 0.08, 0.08],
        [0.24, 0.16, 0.11],
        [0.42, 0.28, 0.17],
        [0.45, 0.20, 0.11],
        [0.76, 0.60, 0.36],
        [0.62, 0.61, 0.60],
    ]
)
IRIS = np.array([[0.22, 0.13, 0.08], [0.38, 0.27, 0.14], [0.27, 0.38, 0.25], [0.28, 0.42, 0.58], [0.42, 0.46, 0.48]])
ROUGE = np.array([0.72, 0.24, 0.27])


@dataclass(frozen=True, eq=False)
class Identity:
    """One person.

    Lengths are in face units: 1 is half the height of the head, x points right, y down, 0 is the centre of the
    head. Colours are RGB arrays of shape (3,) in [0, 1]; shares and amounts lie in [0, 1].
    """

    skin: np.ndarray
    blush: float
    shine: float
    pores: np.ndarray  # (16, 3): x frequency, y frequency, phase of the waves that make skin uneven
    width: float
    jaw: float  # how much narrower the chin is than the temples
    eye_colour: np.ndarray
    eye_height: float
    eye_distance: float  # from the middle line to each pupil
    eye_width: float
    eye_opening: float
    eye_slant: float
    iris_radius: float
    brow_height: float  # above the eyes
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    lip_colour: np.ndarray
    hair: np.ndarray
    hairline: float  # y of the hairline on the middle line; below −1 nobody has hair
    hair_curve: float  # how far the hairline comes down at the temples
    hair_parting: float
    hair_volume: float
    hair_length: float  # y where the hair ends
    strands: np.ndarray  # (6, 2): frequency and phase
    beard: float
    glasses: float
    clothes: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Identity":
        """A random person; the same generator state gives the same person.

        >>> person = Identity.draw(np.random.default_rng(0))
        >>> person.skin.shape, 0.6 < person.width < 0.9
        ((3,), True)
        """
        skin = _along(SKIN, rng.random()) * rng.uniform(0.95, 1.05, 3)
        hair = _along(HAIR, rng.random()) * rng.uniform(0.85, 1.15)
        bald, long_hair, bearded, spectacled = rng.random(4) < (0.08, 0.45, 0.22, 0.15)
        frequency, angle = rng.uniform(4, 22, 16), rng.uniform(0, np.pi, 16)
        return cls(
            skin=np.clip(skin, 0, 0.95),
            blush=rng.uniform(0, 0.25),
            shine=rng.uniform(0.02, 0.12),
            pores=np.stack([frequency * np.cos(angle), frequency * np.sin(angle), rng.uniform(0, 2 * np.pi, 16)], 1),
            width=rng.uniform(0.70, 0.84),
            jaw=rng.uniform(0.10, 0.34),
            eye_colour=_along(IRIS, rng.random()),
            eye_height=rng.uniform(-0.06, 0.06),
            eye_distance=rng.uniform(0.28, 0.35),
            eye_width=rng.uniform(0.13, 0.17),
            eye_opening=rng.uniform(0.055, 0.09),
            eye_slant=rng.uniform(-0.2, 0.12),
            iris_radius=rng.uniform(0.055, 0.075),
            brow_height=rng.uniform(0.16, 0.24),
            brow_thickness=rng.uniform(0.025, 0.06),
            brow_arch=rng.uniform(0.0, 0.10),
            nose_length=rng.uniform(0.34, 0.46),
            nose_width=rng.uniform(0.11, 0.18),
            mouth_height=rng.uniform(0.58, 0.68),
            mouth_width=rng.uniform(0.20, 0.31),
            lip_thickness=rng.uniform(0.04, 0.085),
            lip_colour=skin * 0.93 + rng.uniform(0.15, 0.5) * (ROUGE - skin),
            hair=np.clip(hair, 0, 0.9),
            hairline=-1.5 if bald else rng.uniform(-0.72, -0.46),
            hair_curve=rng.uniform(0.1, 1.1),
            hair_parting=rng.uniform(-0.25, 0.25),
            hair_volume=0.0 if bald else rng.uniform(0.05, 0.16),
            hair_length=0.0 if bald else rng.uniform(0.7, 1.6) if long_hair else rng.uniform(-0.1, 0.2),
            strands=np.stack([rng.uniform(8, 26, 6), rng.uniform(0, 2 * np.pi, 6)], 1),
            beard=rng.uniform(0.25, 0.9) if bearded and not long_hair else 0.0,
            glasses=1.0 if spectacled else 0.0,
            clothes=rng.uniform(0.1, 0.8, 3),
        )


def _along(palette: np.ndarray, position: float) -> np.ndarray:
    """The colour at `position` in [0, 1] along a palette (K, 3), linear between its entries."""
    stops = np.linspace(0, 1, len(palette))
    return np.array([np.interp(position, stops, channel) for channel in palette.T])
