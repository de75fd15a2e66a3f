"""The head as a turned ellipsoid: which point of the face each pixel shows."""

from dataclasses import dataclass

import numpy as np

from rrlib.datasets.synthetic.identity import Identity
from rrlib.datasets.synthetic.scene import Scene


@dataclass(frozen=True, eq=False)
class Surface:
    """Maps of shape (size, size), float32, lengths in face units.

    `x`, `y` say where a pixel lies in the upright picture plane of the head; `face_x`, `face_y` where the point of the
    head that it shows would lie if the face were seen from the front; `front` is positive on the face's half of the
    head. `head` and `face` are the shares of each pixel, in [0, 1], that the head and its front half cover; the face
    fades out towards its rim, so that what is painted there does not jump when the head turns.
    """

    x: np.ndarray
    y: np.ndarray
    face_x: np.ndarray
    face_y: np.ndarray
    front: np.ndarray
    head: np.ndarray
    face: np.ndarray
    normal: np.ndarray  # (3, size, size): unit vectors; x right, y down, z towards the viewer
    pixel: float  # width of a pixel


def surface(identity: Identity, scene: Scene, size: int) -> Surface:
    """The head of `identity` in the pose of `scene`, seen by a parallel projection.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> surface(Identity.draw(rng), Scene.draw(rng), 32).head.shape
    (32, 32)
    """
    steps = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    right = (steps[None, :] - np.float32(scene.shift[0])) / np.float32(scene.scale)
    down = (steps[:, None] - np.float32(scene.shift[1])) / np.float32(scene.scale)
    cos, sin = np.float32(np.cos(scene.roll)), np.float32(np.sin(scene.roll))
    x, y = right * cos + down * sin, down * cos - right * sin

    narrowing = 1 - np.float32(identity.jaw) * np.clip(y, 0, 1) ** 2
    across = x / (np.float32(identity.width) * narrowing)
    radius = np.sqrt(across**2 + y**2)
    pixel = 2 / (size * scene.scale)
    head = cover((radius - 1) * identity.width, pixel)

    # Beyond the outline there is no surface; the point of the outline stands in, so that edges stay clean.
    beyond = np.maximum(radius, 1)
    nx, ny = across / beyond, y / beyond
    nz = np.sqrt(np.maximum(1 - nx**2 - ny**2, 0))
    cos, sin = np.float32(np.cos(scene.yaw)), np.float32(np.sin(scene.yaw))
    side, depth = nx * cos - nz * sin, nx * sin + nz * cos
    cos, sin = np.float32(np.cos(scene.pitch)), np.float32(np.sin(scene.pitch))
    height, front = ny * cos - depth * sin, ny * sin + depth * cos
    face = head * np.clip(front * 5, 0, 1)
    face_x = side * np.float32(identity.width)
    return Surface(x, y, face_x, height, front, head, face, np.stack([nx, ny, nz]), pixel)


def cover(distance: np.ndarray, pixel: float) -> np.ndarray:
    """Share of each pixel inside a shape, in [0, 1], from the signed distance (negative inside) to its edge.

    >>> cover(np.array([-1.0, 0.0, 1.0]), 0.5).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.clip(0.5 - distance / pixel, 0, 1)


def ellipse(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """Signed distance, exact on the axes, to an ellipse round 0 with these half axes.

    >>> ellipse(np.array([0.0, 3.0]), np.array([0.0, 0.0]), 1.0, 1.0).tolist()
    [-1.0, 2.0]
    """
    return (np.sqrt((x / width) ** 2 + (y / height) ** 2) - 1) * min(width, height)


def bump(x: np.ndarray, y: np.ndarray | float, width: float, height: float) -> np.ndarray:
    """A Gaussian hill of height 1 round 0.

    >>> bump(np.array([0.0]), np.array([0.0]), 1.0, 1.0).tolist()
    [1.0]
    """
    return np.exp(-((x / width) ** 2 + (y / height) ** 2) / 2)


def paint(picture: np.ndarray, colour: np.ndarray, mask: np.ndarray) -> None:
    """Lay `colour`, (3,) or (H, W, 3), over `picture` (H, W, 3) in place where `mask` (H, W), in [0, 1], says so."""
    picture += mask[..., None] * (np.asarray(colour, dtype=np.float32) - picture)
