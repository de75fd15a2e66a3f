"""An attacker of clips who may touch only some of the frames."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from rrlib.attacks.gradients import margin_gradient
from rrlib.attacks.options import check_whole
from rrlib.attacks.rules import Draw, Step
from rrlib.errors import InputError

if TYPE_CHECKING:
    from rrlib.attacks.sweep import Rule


def most_influential(gradient: torch.Tensor, frames: int) -> list[int]:
    """The frames with the largest L1 norm of the gradient (T, 3, H, W), in order of time; of equal ones the earlier.

    >>> most_influential(torch.tensor([1.0, -3.0, 0.0, 2.0, -2.0]).view(5, 1, 1, 1), frames=2)
    [1, 3]
    """
    norms = gradient.flatten(1).abs().sum(dim=1)
    return norms.sort(descending=True, stable=True).indices[:frames].sort().values.tolist()


def put(clip: torch.Tensor, places: list[int], frames: torch.Tensor) -> torch.Tensor:
    """The clip (1, T, 3, H, W) with other frames (N, k, 3, H, W) at k places: (N, T, 3, H, W)."""
    clips = clip.repeat(len(frames), 1, 1, 1, 1)
    clips[:, places] = frames
    return clips


class _OfTouchedFrames(nn.Module):
    """The detector of one clip as a function of its touched frames: the others are the clean ones."""

    def __init__(self, detector: nn.Module, clip: torch.Tensor, places: list[int]):
        super().__init__()
        self.detector, self.clip, self.places = detector, clip, places

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.detector(put(self.clip, self.places, frames))


@dataclass(frozen=True)
class TouchedFrames:
    """Any rule, of an attacker who touches no more than `frames` frames of each clip.

    They are those with the largest L1 norm of the clean margin's gradient, chosen once for all ε; where norms are
    equal, the earlier ones. The rule then attacks them as if they were the clip, with the detector that sees them among
    the clean others. Clips are attacked one by one, since each has other frames to touch and a rule may ask the
    detector about some samples of its batch. With all frames to touch there is nothing to choose, and the rule runs as
    it is. `run` raises InputError for images, and for clips of fewer frames.
    """

    rule: "Rule"
    frames: int

    def __post_init__(self) -> None:
        check_whole("frames", self.frames)

    def run(
        self, detector: nn.Module, x: torch.Tensor, labels: torch.Tensor, epsilons: Sequence[float], draw: Draw
    ) -> Iterator[Step]:
        if x.dim() != 5:
            raise InputError(
                f"frames is {self.frames}, but the batch of shape {tuple(x.shape)} holds images; "
                "attack clips (N, T, 3, H, W) or leave frames out"
            )
        if self.frames > x.shape[1]:
            raise InputError(
                f"frames is {self.frames}, but these clips have {x.shape[1]}; choose from 1 to {x.shape[1]}"
            )
        if self.frames == x.shape[1]:
            yield from self.rule.run(detector, x, labels, epsilons, draw)
            return
        drawn = functools.cache(draw)
        runs = [self._one(detector, x, labels, epsilons, drawn, number) for number in range(len(x))]
        for epsilon, *steps in zip(epsilons, *runs, strict=True):
            clips = torch.cat([clip for clip, _ in steps])
            gradients = [gradient for _, gradient in steps]
            yield epsilon, clips, None if gradients[0] is None else torch.cat(gradients)

    def _one(
        self,
        detector: nn.Module,
        x: torch.Tensor,
        labels: torch.Tensor,
        epsilons: Sequence[float],
        drawn: Draw,
        number: int,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """One clip of the batch, attacked at every ε, and whether it had a gradient."""
        clip, label = x[number : number + 1], labels[number : number + 1]
        _, gradient = margin_gradient(detector, clip, label)
        places = most_influential(gradient[0], self.frames)
        del gradient  # as large as the clip, and this function goes on until the last ε

        def draw(restart: int = 0) -> torch.Tensor:
            return drawn(restart)[number : number + 1, places]

        seen = _OfTouchedFrames(detector, clip, places)
        for _, attacked, found in self.rule.run(seen, clip[:, places], label, epsilons, draw):
            yield put(clip, places, attacked), found
