"""Draws a face: an identity in a scene becomes a picture."""

import numpy as np

from rrlib.datasets.synthetic.features import paint_features
from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.surface import Surface, bump, cover, ellipse, paint, surface


def render(identity: Identity, scene: Scene, size: int) -> np.ndarray:
    """The picture before any camera: (size, size, 3), float32, in [0, 1].

    Every field of `scene` may be moved continuously and the picture follows, so a path through scenes is a clip.

    >>> rng = np.random.default_rng(0)
    >>> render(Identity.draw(rng), Scene.draw(rng), 32).shape
    (32, 32, 3)
    """
    at = surface(identity, scene, size)
    picture = _background(scene, size)
    _body(picture, identity, scene, at)
    head = _skin(identity, at)
    paint_features(head, identity, scene, at)
    hair = _hair_colour(identity, at)
    paint(head, hair, _scalp(identity, at))
    head *= _lit(identity, scene, at)
    paint(picture, head, at.head)
    return np.clip(picture * scene.light_colour.astype(np.float32), 0.02, 0.98)


def _background(scene: Scene, size: int) -> np.ndarray:
    steps = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x, y = steps[None, :, None], steps[:, None, None]
    start, end = scene.background.astype(np.float32)
    picture = start + (end - start) * (0.5 + 0.35 * y + 0.15 * x)
    for frequency_x, frequency_y, phase, *amplitude in scene.clutter.astype(np.float32):
        picture += np.cos(x * frequency_x + y * frequency_y + phase) * np.array(amplitude)
    return np.clip(picture, 0.04, 0.92)


def _body(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface) -> None:
    """Shoulders, neck and the hair behind the head; they turn less than the face does."""
    hair = _hair_colour(identity, at) * 0.75
    wide = identity.width + identity.hair_volume
    if identity.hair_length > 0.5:
        fall = np.maximum(np.abs(at.x) - wide * 1.02, np.maximum(-at.y, at.y - identity.hair_length))
        paint(picture, hair, cover(fall, at.pixel * 2))
    shade = 0.75 + 0.25 * np.clip(at.x * scene.light[0] + 0.5, 0, 1)[..., None]
    shoulders = ellipse(at.x, at.y - 2.0, 1.35, 0.85)
    neck = np.maximum(np.abs(at.x) - identity.width * 0.58, np.maximum(-at.y, at.y - 1.5))
    paint(picture, identity.skin * 0.7 * shade, cover(np.minimum(shoulders, neck), at.pixel * 1.5))
    neckline = ellipse(at.x, at.y - 1.1, identity.width * 0.8, 0.3)
    paint(picture, identity.clothes * shade, cover(np.maximum(shoulders, -neckline), at.pixel * 1.5))
    for side in (-1, 1):
        ear = ellipse(at.x + side * (identity.width * 0.98), at.y - 0.08, 0.09, 0.19)
        paint(picture, identity.skin * 0.8, cover(ear, at.pixel))
    crown = np.maximum(
        ellipse(at.x, at.y, wide, 1 + identity.hair_volume), at.y - np.clip(identity.hair_length, 0, 0.6)
    )
    if identity.hair_volume:
        paint(picture, hair * 1.2, cover(crown, at.pixel * 1.5))


def _skin(identity: Identity, at: Surface) -> np.ndarray:
    frequency_x, frequency_y, phase = identity.pores.astype(np.float32)[:, :, None, None].transpose(1, 0, 2, 3)
    uneven = np.cos(at.face_x * frequency_x + at.face_y * frequency_y + phase).sum(axis=0)
    skin = identity.skin.astype(np.float32) * (1 + 0.010 * uneven)[..., None]
    for side in (-1, 1):
        cheek = bump(at.face_x * side - 0.42, at.face_y - 0.32, 0.16, 0.14)
        paint(skin, identity.skin * np.array([1.04, 0.78, 0.78]), identity.blush * 2 * cheek)
    return skin


def _scalp(identity: Identity, at: Surface) -> np.ndarray:
    """Where the head wears hair: above the hairline, and behind."""
    temple = identity.hair_curve * (at.face_x - identity.hair_parting) ** 2
    above = cover(at.face_y - identity.hairline - temple, at.pixel * 2)
    if identity.hairline < -1:
        return np.zeros_like(above)
    behind = cover(at.front - 0.12, 0.2) * cover(at.face_y - np.clip(identity.hair_length, 0.15, 0.4), 0.15)
    return np.maximum(above, behind)


def _hair_colour(identity: Identity, at: Surface) -> np.ndarray:
    angle = np.arctan2(at.x - identity.hair_parting, 1.6 + at.y)
    strands = sum(np.cos(frequency * 2 * angle + phase + 2 * at.y) for frequency, phase in identity.strands)
    return identity.hair.astype(np.float32) * (1 + 0.10 * strands.astype(np.float32))[..., None]


def _lit(identity: Identity, scene: Scene, at: Surface) -> np.ndarray:
    """Lambert's cosine law over an ambient level, with a soft highlight: factors of shape (H, W, 1)."""
    towards = np.einsum("chw,c->hw", at.normal, scene.light.astype(np.float32))
    diffuse = np.clip(towards, 0, 1)
    factor = scene.ambient + (1.08 - scene.ambient) * diffuse + identity.shine * diffuse**12
    return factor[..., None].astype(np.float32)
