"""The stage `thresholds`: the threshold of each detector, chosen on the validation split."""

import json
from typing import Any

import pandas as pd

from rrlib import files
from rrlib.analysis import Operating, at_fpr, equal_error
from rrlib.study import paths
from rrlib.study.checkpoint import load_detector
from rrlib.study.params import Study
from rrlib.study.thresholds import HALF, THRESHOLDS
from rrlib.study.validation import too_little, validation_logits


def write_thresholds(study: Study) -> list[str]:
    """outputs/thresholds.json: the threshold of each data set and detector, how it was chosen; the lines to be shown.

    A number of params.yaml holds for all, and no detector is looked at. Else each is asked about the validation split:
    its frames, and of data sets of frames its videos as well. Where that split is absent, too small or of one class,
    the threshold is ½, and `none` says why.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for dataset, detector in study.pairs():
        for name, about in _of_pair(study, dataset, detector).items():
            chosen.setdefault(name, {})[detector] = about
    files.write_text(THRESHOLDS, json.dumps(chosen, indent=1) + "\n")
    return [
        f"{dataset}: {detector}: {about['threshold']:.4f}" + (f" ({about['none']})" if "none" in about else "")
        for dataset, of_dataset in chosen.items()
        for detector, about in of_dataset.items()
    ]


def _of_pair(study: Study, dataset: str, detector: str) -> dict[str, dict[str, Any]]:
    """By the name of a data set: itself, and its videos where it holds frames of them."""
    names = [dataset, *([paths.videos_name(dataset)] if dataset in study.of_frames else [])]
    if isinstance(study.threshold, float):
        return {name: {"threshold": study.threshold} for name in names}
    if why := too_little(dataset):
        return {name: {"threshold": HALF, "none": why} for name in names}
    scores, samples = validation_logits(study, dataset, load_detector(study, dataset, detector))
    of_frames = samples.assign(p_fake=scores.softmax(1)[:, 1].numpy())
    found = {dataset: _chosen(study, of_frames)}
    for name in names[1:]:
        video = of_frames["sample"].str.rsplit("/", n=1).str[0]
        of_videos = of_frames.groupby(video, sort=False).agg(
            p_fake=("p_fake", "mean"), label=("label", "first"), group=("group", "first")
        )
        found[name] = _chosen(study, of_videos)
    return found


def _chosen(study: Study, scores: pd.DataFrame) -> dict[str, Any]:
    found: Operating
    if isinstance(study.threshold, dict):
        found = at_fpr(scores["p_fake"], scores["label"], study.threshold["fpr"])
    else:
        found = equal_error(scores["p_fake"], scores["label"])
    about = {"samples": len(scores), "groups": int(scores["group"].nunique())}
    return {"threshold": found.threshold, "fpr": found.fpr, "fnr": found.fnr, **about}
