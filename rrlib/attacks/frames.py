"""An attacker of clips who may touch only some of the frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rrlib.attacks.gradients import Clean
from rrlib.attacks.options import check_whole
from rrlib.attacks.protocol import Draw, Rule, Step, Work
from rrlib.errors import InputError


def most_influential(gradient: torch.Tensor, frames: int) -> torch.Tensor:
    """The frames with the largest L1 norm of the gradient, (N, T, 3, H, W) → (N, k), in order of time.

    Of equal ones the earlier.

    >>> most_influential(torch.tensor([1.0, -3.0, 0.0, 2.0, -2.0]).view(1, 5, 1, 1, 1), frames=2)
    tensor([[1, 3]])
    """
    norms = gradient.flatten(2).abs().sum(dim=2)
    return norms.sort(dim=1, descending=True, stable=True).indices[:, :frames].sort(dim=1).values


def taken(clips: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The frames at each clip's places: (N, T, 3, H, W), (N, k) → (N, k, 3, H, W)."""
    return clips[torch.arange(len(clips), device=clips.device)[:, None], places]


def put(clips: torch.Tensor, places: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """The clips with other frames at their places: (N, T, 3, H, W), (N, k), (N, k, 3, H, W) → (N, T, 3, H, W)."""
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips.index_put((rows, places), frames)


class _OfTouchedFrames(nn.Module):
    """The detector of some clips as a function of their touched frames: the others are the clean ones."""

    def __init__(self, detector: nn.Module, clips: torch.Tensor, places: torch.Tensor):
        super().__init__()
        self.detector, self.clips, self.places = detector, clips, places

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.detector(put(self.clips, self.places, frames))
        return logits


class _Touched(Clean):
    """The touched frames of some clips as a batch of their own, with the detector that sees them among the others."""

    def __init__(self, clips: Clean, places: torch.Tensor):
        detector = _OfTouchedFrames(clips.detector, clips.x, places)
        super().__init__(detector, taken(clips.x, places), clips.labels, clips.name)
        self.clips, self.places = clips, places
        margin, gradient = clips.gradient()
        self._logits, self._gradient = clips.logits(), (margin, taken(gradient, places))

    def part(self, rows: torch.Tensor) -> Clean:
        """As `Clean.part` says; the detector then sees those clips alone."""
        return _Touched(self.clips.part(rows), self.places[rows])


@dataclass(frozen=True)
class TouchedFrames:
    """Any rule, of an attacker who touches no more than `frames` frames of each clip.

    They are those with the largest L1 norm of the clean margin's gradient, chosen once for all ε; where norms are
    equal, the earlier ones. The rule then attacks them as if they were the clip, with the detector that sees them among
    the clean others. With all frames to touch there is nothing to choose, and the rule runs as it is. `run` raises
    InputError for images, and for clips of fewer frames.
    """

    rule: Rule
    frames: int

    def __post_init__(self) -> None:
        check_whole("frames", self.frames)

    @property
    def adversarial(self) -> bool:
        """As the rule."""
        return self.rule.adversarial

    def run(self, clean: Clean, epsilons: Sequence[float], draw: Draw) -> Iterator[Step]:
        x = clean.x
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
            yield from self.rule.run(clean, epsilons, draw)
            return
        places = most_influential(clean.gradient()[1], self.frames)

        def drawn(restart: int = 0) -> torch.Tensor:
            return taken(draw(restart), places)

        for epsilon, frames, found in self.rule.run(_Touched(clean, places), epsilons, drawn):
            yield epsilon, put(x, places, frames), found

    def work(self, epsilons: int) -> Work | None:
        """The rule's, and the clean gradient that chooses the frames, if the rule does not ask for it itself."""
        work = self.rule.work(epsilons)
        if work is None or work.clean:
            return work
        # the clean logits come with it
        forwards = work.forwards - work.clean_logits
        return Work(work.gradients + 1, forwards, at_most=True, clean=True)
