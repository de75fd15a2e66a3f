"""Three families of forgery, after those of FaceForensics++ (Rössler et al., ICCV 2019, section 3).

`swap` puts the inner face of another person in (FaceSwap, DeepFakes), `reenactment` gives the mouth another expression
(Face2Face, NeuralTextures), and `resynthesis` passes the face through a decoder whose transposed convolutions overlap
unevenly (Odena, Dumoulin and Olah, Distill 2016), which leaves a faint grid.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from rrlib.datasets.synthetic.face import render
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.surface import cover, ellipse, surface


@dataclass(frozen=True, eq=False)
class Flaws:
    """What a forger gets wrong, and the expression asked for; fixed for all frames of a clip."""

    tint: np.ndarray  # (3,): relative error of colour of the forged region
    blur: float  # standard deviation of its softening, in pixels of a 64-pixel picture
    grid: float  # share of the picture that comes out of the decoder
    phase: np.ndarray  # (2,): where the decoder's grid starts, as shares of its step
    mouth_open: float  # the other expression; see Scene
    smile: float

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> "Flaws":
        """Random flaws, in proportion to `strength` in (0, 1].

        >>> Flaws.draw(np.random.default_rng(0), strength=0.5).tint.shape
        (3,)
        """
        direction = rng.normal(size=3)
        return cls(
            tint=strength * rng.uniform(0.20, 0.42) * direction / np.linalg.norm(direction),
            blur=strength * rng.uniform(1.4, 2.5),
            grid=strength * rng.uniform(0.7, 1.0),
            phase=rng.random(2),
            mouth_open=max(0.0, rng.uniform(-0.4, 0.8)),
            smile=rng.uniform(-0.4, 1.0),
        )


def swap(target: Identity, donor: Identity, scene: Scene, size: int, flaws: Flaws) -> np.ndarray:
    """`donor`'s inner face on `target`'s head: (size, size, 3), float32, in [0, 1].

    Skin, hair, beard and glasses are matched to the target's, but for the tint; the face is softer than its
    surroundings.
    """
    matched = replace(
        donor,
        skin=target.skin,
        lip_colour=np.clip(donor.lip_colour - donor.skin + target.skin, 0, 1),
        hair=target.hair,
        beard=target.beard,
        glasses=target.glasses,
    )
    face = _soften(render(matched, scene, size), flaws) * (1 + flaws.tint)
    return _blend(render(target, scene, size), face, inner_face(target, scene, size))


def reenactment(target: Identity, donor: Identity, scene: Scene, size: int, flaws: Flaws) -> np.ndarray:
    """`target` with the mouth of another expression: (size, size, 3), float32, in [0, 1]; `donor` is not used."""
    acted = replace(scene, mouth_open=flaws.mouth_open, smile=flaws.smile)
    face = _soften(render(target, acted, size), flaws) * (1 + flaws.tint)
    return _blend(render(target, scene, size), face, mouth_region(target, scene, size))


def resynthesis(target: Identity, donor: Identity, scene: Scene, size: int, flaws: Flaws) -> np.ndarray:
    """`target`'s face out of a decoder: (size, size, 3), float32, in [0, 1]; `donor` is not used."""
    picture = render(target, scene, size)
    return _blend(picture, _decoded(picture, flaws.phase), flaws.grid * inner_face(target, scene, size))


FAMILIES = {"swap": swap, "reenactment": reenactment, "resynthesis": resynthesis}


def inner_face(identity: Identity, scene: Scene, size: int) -> np.ndarray:
    """From above the brows to below the mouth: weights (size, size) in [0, 1], exactly 0 outside."""
    at = surface(identity, scene, size)
    shape = ellipse(at.face_x, at.face_y - 0.22, identity.width * 0.72, 0.66)
    return cover(shape, 0.16) * at.face


def mouth_region(identity: Identity, scene: Scene, size: int) -> np.ndarray:
    """The mouth and what moves with it: weights (size, size) in [0, 1], exactly 0 outside."""
    at = surface(identity, scene, size)
    shape = ellipse(at.face_x, at.face_y - identity.mouth_height - 0.03, 0.46, 0.29)
    return cover(shape, 0.16) * at.face


def _soften(picture: np.ndarray, flaws: Flaws) -> np.ndarray:
    sigma = flaws.blur * len(picture) / 64
    return gaussian_filter(picture, (sigma, sigma, 0))


def _decoded(picture: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Down by an integer step, and up by zeros between the samples and one Gaussian kernel.

    By Poisson's summation the kernel's overlaps ripple by ±2 exp(−2 π² (σ / step)²) along each axis.
    """
    step = max(2, len(picture) // 16)
    row, column = (phase * step).astype(int)
    sigma = 0.36 * step
    samples = np.zeros_like(picture)
    coarse = gaussian_filter(picture, (sigma, sigma, 0))
    samples[row::step, column::step] = step**2 * coarse[row::step, column::step]
    return gaussian_filter(samples, (sigma, sigma, 0))


def _blend(picture: np.ndarray, face: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.clip(picture + mask[..., None] * (face - picture), 0, 1).astype(np.float32)
