"""What tensors, arrays and table columns need so that one rule serves all of them.

torch is not imported here: a page that reads tables has no tensors and should not wait for them.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import torch

Column: TypeAlias = "NDArray[Any] | pd.Series[Any] | pd.DataFrame | Sequence[float]"
Tolerances: TypeAlias = "float | Sequence[float] | NDArray[Any] | torch.Tensor"

NO_FLOAT64 = {"mps"}  # types of devices


def is_tensor(values: object) -> TypeGuard["torch.Tensor"]:
    """Whether it is a tensor; where torch was never imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def as_array(values: Any, like: Any = None) -> Any:
    """A tensor as it is and anything else as an array; given `like`, a tensor on its device if that is a tensor."""
    if is_tensor(like):
        import torch

        return torch.as_tensor(values if is_tensor(values) else np.asarray(values), device=like.device)
    return values if is_tensor(values) and like is None else np.asarray(values)


def widest(values: Any) -> Any:
    """The values in float64, or in float32 on a device that has no float64."""
    if not is_tensor(values):
        return np.asarray(values, dtype=np.float64)
    return values.float() if values.device.type in NO_FLOAT64 else values.double()


def bound(limit: NDArray[np.float64], values: Any) -> Any:
    """`limit` such that `values <= limit` and `values > limit` say what they say in float64; `values` from `widest`.

    In float32 that is the largest float32 that is not above the limit.
    """
    if not is_tensor(values):
        return limit
    if values.element_size() == 4:
        narrow = limit.astype(np.float32)
        limit = np.where(narrow > limit, np.nextafter(narrow, np.float32(-np.inf)), narrow)
    return limit.item() if limit.ndim == 0 else as_array(limit, like=values)
