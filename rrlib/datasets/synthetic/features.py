"""Eyes, brows, nose, mouth, beard and glasses, painted on the face; lengths in face units."""

import numpy as np

from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.scene import Scene
from rrlib.datasets.synthetic.surface import Surface, bump, cover, ellipse, paint

WHITE = np.array([0.88, 0.87, 0.85])
TEETH = np.array([0.90, 0.88, 0.82])
THROAT = np.array([0.22, 0.07, 0.07])
DARK = np.array([0.07, 0.05, 0.05])


def paint_features(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface) -> None:
    """Paint everything on the skin of `picture` (H, W, 3) in place, unlit."""
    _beard(picture, identity, at)
    _nose(picture, identity, scene, at)
    _mouth(picture, identity, scene, at)
    for side in (-1, 1):
        _eye(picture, identity, scene, at, side)
        _brow(picture, identity, scene, at, side)
    if identity.glasses:
        _glasses(picture, identity, at)


def _eye(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface, side: int) -> None:
    x, y = at.face_x * side - identity.eye_distance, at.face_y - identity.eye_height
    y = y - identity.eye_slant * x
    paint(picture, identity.skin * 0.72, 0.45 * at.face * bump(x, y + 0.03, 0.17, 0.10))
    arch = identity.eye_opening * (1 - (x / identity.eye_width) ** 2)
    beyond = np.abs(x) - identity.eye_width
    white = at.face * cover(np.maximum(np.abs(y) - arch * scene.eyes_open, beyond), at.pixel)
    paint(picture, WHITE, white)
    x, gaze_y = x - side * 0.05 * scene.gaze[0], y - 0.02 * scene.gaze[1]
    iris = ellipse(x, gaze_y, identity.iris_radius, identity.iris_radius)
    paint(picture, identity.eye_colour, white * cover(iris, at.pixel))
    paint(picture, DARK, white * cover(ellipse(x, gaze_y, 0.03, 0.03), at.pixel))
    paint(picture, WHITE, 0.8 * white * cover(ellipse(x - side * 0.025, gaze_y + 0.025, 0.016, 0.016), at.pixel))
    lid = np.maximum(np.abs(y + arch * scene.eyes_open) - 0.016, beyond)
    paint(picture, identity.skin * 0.3, 0.85 * at.face * cover(lid, at.pixel))


def _brow(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface, side: int) -> None:
    x = at.face_x * side - identity.eye_distance
    height = identity.eye_height - identity.brow_height - 0.05 * scene.brows_raised
    y = at.face_y - height + identity.brow_arch * (1 - (x / 0.2) ** 2) * 0.5 - identity.eye_slant * 0.3 * x
    thickness = identity.brow_thickness * np.clip(1.1 - 0.5 * (x + 0.2) / 0.4, 0.3, 1.2)
    shape = np.maximum(np.abs(y) - thickness, np.abs(x) - 0.2)
    paint(picture, identity.hair * 0.6 + identity.skin * 0.12, 0.85 * at.face * cover(shape, at.pixel * 1.5))


def _nose(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface) -> None:
    # A nose stands out of the face, so its tip moves further than the cheeks when the head turns.
    tip_x, tip_y = 0.12 * np.sin(scene.yaw), identity.eye_height + identity.nose_length + 0.08 * np.sin(scene.pitch)
    along = np.clip((at.face_y - identity.eye_height) / identity.nose_length, 0, 1)
    x, y = at.face_x - tip_x * along, at.face_y - tip_y
    ridge = at.face * np.clip(along * 4, 0, 1) * cover(y, at.pixel * 3)
    for side in (-1, 1):
        shadow = np.clip(0.1 - side * scene.light[0], 0, 0.6)
        flank = identity.nose_width * (0.45 + 0.55 * along)
        paint(picture, identity.skin * 0.62, shadow * ridge * bump(x - side * flank, 0, 0.05, 1))
    paint(picture, identity.skin * 1.12, 0.5 * ridge * bump(x - 0.02 * scene.light[0], 0, 0.04, 1))
    paint(picture, identity.skin * 1.10, 0.5 * at.face * bump(x, y, 0.07, 0.06))
    paint(picture, identity.skin * 0.55, 0.5 * at.face * bump(x, y - 0.07, identity.nose_width * 0.9, 0.025))
    for side in (-1, 1):
        nostril = ellipse(x * side - identity.nose_width * 0.5, y - 0.055, 0.035, 0.022)
        paint(picture, identity.skin * 0.28, 0.85 * at.face * cover(nostril, at.pixel))


def _mouth(picture: np.ndarray, identity: Identity, scene: Scene, at: Surface) -> None:
    width = identity.mouth_width * (1 + 0.18 * scene.smile - 0.12 * scene.mouth_open)
    x = at.face_x - 0.04 * np.sin(scene.yaw)
    profile = np.clip(1 - (x / width) ** 2, 0, 1)
    y = at.face_y - identity.mouth_height - 0.09 * scene.smile * (profile - 0.6)
    opening = 0.16 * scene.mouth_open * profile
    upper, lower = identity.lip_thickness * 0.85, identity.lip_thickness * 1.2
    inside = np.abs(x) - width
    lips = np.maximum(np.maximum(-y - upper * profile**0.7, y - opening - lower * profile**0.7), inside)
    paint(picture, identity.skin * 0.7, 0.5 * at.face * bump(x, y - opening - lower - 0.05, width * 0.6, 0.035))
    paint(picture, identity.lip_colour, 0.95 * at.face * cover(lips, at.pixel))
    gloss = bump(x, y - opening - lower * 0.5, width * 0.4, 0.02)
    paint(picture, identity.lip_colour * 1.2, 0.5 * at.face * gloss)
    gap = at.face * cover(np.maximum(np.maximum(-y - 0.012, y - opening - 0.012), inside), at.pixel)
    paint(picture, THROAT + 0.15 * identity.skin, gap)
    teeth = np.maximum(np.abs(y - 0.02) - np.minimum(opening * 0.45, 0.05), inside + 0.04)
    paint(picture, TEETH, 0.9 * gap * cover(teeth, at.pixel) * min(1.0, 6 * scene.mouth_open))
    for side in (-1, 1):
        fold_y = at.face_y - identity.mouth_height + 0.12
        fold = bump(at.face_x * side - width - 0.05 - 0.3 * fold_y, fold_y, 0.02, 0.10)
        paint(picture, identity.skin * 0.7, 0.35 * max(0.0, scene.smile) * at.face * fold)


def _beard(picture: np.ndarray, identity: Identity, at: Surface) -> None:
    if not identity.beard:
        return
    jaw = cover(0.38 - at.face_y + 0.5 * np.maximum(0, 0.42 - np.abs(at.face_x)), 0.25)
    lip_y = at.face_y - identity.mouth_height + 0.11
    moustache = cover(ellipse(at.face_x, lip_y, identity.mouth_width * 1.1, 0.06), 0.06)
    grain = 0.85 + 0.15 * np.cos(at.face_x * 47 + 9 * np.cos(at.face_y * 31))
    paint(picture, identity.hair * 0.8, identity.beard * np.maximum(jaw, moustache) * grain * at.face)


def _glasses(picture: np.ndarray, identity: Identity, at: Surface) -> None:
    y = at.face_y - identity.eye_height - 0.02
    rims = [np.abs(ellipse(at.face_x * side - identity.eye_distance, y, 0.22, 0.17)) for side in (-1, 1)]
    bridge = np.maximum(np.abs(y + 0.03), np.abs(at.face_x) - identity.eye_distance + 0.2)
    temple = np.maximum(np.abs(y + 0.03), identity.eye_distance + 0.2 - np.abs(at.face_x))
    frame = np.minimum(np.minimum(*rims), np.minimum(bridge, temple)) - 0.018
    paint(picture, DARK + 0.05, 0.9 * cover(frame, at.pixel) * at.face)
