"""Rows of a result table about samples that something else than an attack on the detector at hand has changed."""

import pandas as pd
import torch

from rrlib.metrics import probability_shift


def rows(
    about: pd.DataFrame,
    attack: str,
    epsilon: float,
    p_clean: torch.Tensor,
    p_changed: torch.Tensor,
    linf: torch.Tensor,
    distance: str,
    has_gradient: torch.Tensor | None = None,
) -> pd.DataFrame:
    """One batch at one ε, or at one severity in its place: the columns of `tables.py` but dataset and detector.

    about: sample, group and label of each of N rows; p_clean, p_changed: (N, 2) on the processor; linf: (N,);
    has_gradient: (N,) bool, None where none was asked for.
    """
    none = pd.array([pd.NA] * len(about), dtype="boolean")
    return about.assign(
        attack=attack,
        epsilon=float(epsilon),
        p_clean=p_clean[:, 1].numpy(),
        p_attacked=p_changed[:, 1].numpy(),
        shift=probability_shift(p_clean, p_changed, distance).numpy(),
        linf=linf.cpu().double().numpy(),
        gradient=none if has_gradient is None else pd.array(has_gradient.cpu().numpy(), dtype="boolean"),
    )
