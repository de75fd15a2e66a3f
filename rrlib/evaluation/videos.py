"""Result tables of frames to tables of videos: an image detector's score of a video is the mean of its frames' scores.

As DeepfakeBench does it (Yan et al., arXiv 2307.01426). A frame's sample is VIDEO/NUMBER, as data sets of the kind
`frames` call it. Each frame is attacked by itself; an attack that knew the others could move the mean further, so RR
and RA of videos are upper bounds, as those of frames are.
"""

import numpy as np
import pandas as pd
import torch

from rrlib.errors import InputError
from rrlib.metrics import probability_shift

ROW = ["dataset", "detector", "attack", "sample", "epsilon"]


def by_video(table: pd.DataFrame, distance: str = "linf") -> pd.DataFrame:
    """A result table with one row per (video, ε) from one with one row per (frame, ε), both as `rrlib.tables` says.

    sample is the video; p_clean and p_attacked are means over its frames, shift is the distance between the two mean
    probability vectors, linf the largest of any frame, gradient whether any frame had one (missing where none asked for
    one). Cells and videos keep their order, and `attrs` stay.

    For a distance that is convex in both vectors (linf, tv, l2) the shift of a video is at most the mean of its
    frames' shifts.

    Raises InputError for a sample that names no video, for frames of one video with different groups or labels, and as
    `probability_shift`.

    >>> table = pd.DataFrame({
    ...     "dataset": "d", "detector": "f", "attack": "a", "epsilon": 0.1, "sample": ["v/000", "v/001"], "group": "g",
    ...     "label": 1, "p_clean": [0.75, 0.25], "p_attacked": [0.5, 0.25], "shift": [0.25, 0], "linf": [0.1, 0.05],
    ...     "gradient": [True, False]})
    >>> by_video(table)[["sample", "p_clean", "p_attacked", "shift", "linf", "gradient"]].values.tolist()
    [['v', 0.5, 0.375, 0.125, 0.1, True]]
    """
    alone = ~table["sample"].str.contains("/")
    if alone.any():
        sample = table["sample"][alone].iloc[0]
        raise InputError(f"the sample {sample} names no video; call a frame VIDEO/NUMBER, as the kind frames does")
    frames = table.assign(
        sample=table["sample"].str.rsplit("/", n=1).str[0], gradient=table["gradient"].astype("boolean")
    )
    _check_agree(frames)
    videos = frames.groupby(ROW, sort=False)
    result = videos.agg(
        group=("group", "first"),
        label=("label", "first"),
        p_clean=("p_clean", "mean"),
        p_attacked=("p_attacked", "mean"),
        linf=("linf", "max"),
        gradient=("gradient", "max"),
    ).reset_index()
    p_clean, p_attacked = _probabilities(result["p_clean"]), _probabilities(result["p_attacked"])
    result["shift"] = probability_shift(p_clean, p_attacked, distance).numpy()
    result.attrs = table.attrs
    return result[list(table)]


def _probabilities(p_fake: pd.Series) -> torch.Tensor:
    """Probabilities of fake (N,) as vectors [real, fake], (N, 2)."""
    p = p_fake.to_numpy(dtype=float)
    return torch.from_numpy(np.stack([1 - p, p], axis=1))


def _check_agree(frames: pd.DataFrame) -> None:
    for column in ("group", "label"):
        values = frames.groupby(ROW, sort=False)[column]
        torn = frames[values.transform("nunique") > 1]
        if len(torn):
            video = torn["sample"].iloc[0]
            found = " and ".join(map(str, torn.loc[torn["sample"] == video, column].unique()))
            raise InputError(f"the frames of {video} have the {column}s {found}; give all frames of a video one")
