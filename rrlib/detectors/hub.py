"""Image and video classifiers of transformers as detectors, from the Hugging Face hub or a local folder.

transformers is imported where it is needed: that alone takes seconds.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from rrlib import files
from rrlib.detectors import labels as label_names
from rrlib.detectors.contract import Modality, check_logits
from rrlib.detectors.descriptions import check_numbers, of_hub, shown
from rrlib.detectors.labels import Labels
from rrlib.detectors.preprocessing import Preprocessing, from_config
from rrlib.detectors.processors import name_of
from rrlib.detectors.trial import pictures
from rrlib.errors import InputError

MODALITIES: dict[str, Modality] = {"ForImageClassification": "image", "ForVideoClassification": "video"}
MOST_FRAMES = 10_000
PREPROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json")


class Hub(nn.Module):
    """A classifier of transformers with its preprocessing inside, its outputs gathered into [real, fake].

    `real` and `fake` are the columns of its logits that say so; where they are several, their probabilities are added.
    `modality` is "image" or "video"; a video model takes clips of `frames` frames, and InputError is raised for others.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        real: Sequence[int] = (0,),
        fake: Sequence[int] = (1,),
        modality: Modality = "image",
    ) -> None:
        super().__init__()
        self.model = model
        self.preprocessing = preprocessing
        self.real, self.fake = list(real), list(fake)
        self.modality = modality

    @property
    def frames(self) -> int | None:
        """How many frames a clip has; None for images, and for a video model that takes any number."""
        return getattr(self.model.config, "num_frames", None) if self.modality == "video" else None

    def forward(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W), or clips (N, T, 3, H, W), in [0, 1] → logits (N, 2), [real, fake]."""
        name = type(self.model).__name__
        if x.dim() != (5 if self.modality == "video" else 4):
            shape = "clips (N, T, 3, H, W)" if self.modality == "video" else "images (N, 3, H, W)"
            raise InputError(f"{name} takes {shape}, not {tuple(x.shape)}; give it those")
        if self.frames not in (None, x.shape[1]):
            raise InputError(
                f"{name} takes clips of {self.frames} frames, not {x.shape[1]}; "
                f"set frames: {self.frames} in the data set"
            )
        prepared = (
            self.preprocessing(x.flatten(0, 1)).unflatten(0, x.shape[:2]) if x.dim() == 5 else self.preprocessing(x)
        )
        logits = self.model(prepared).logits
        return torch.stack([logits[:, self.real].logsumexp(dim=1), logits[:, self.fake].logsumexp(dim=1)], dim=1)


def hub(source: str | Path, labels: Labels | None = None, revision: str | None = None) -> Hub:
    """The detector in a local folder, or in a hub repository at a revision, in eval mode.

    A local folder is what `save_pretrained` of the model and of its image processor write. A repository is named
    OWNER/NAME and needs a revision, the full hash of a commit: a branch would move under the results. Weights are read
    from safetensors alone, and code that comes with a model is never run. `labels` is as for `labels.columns`.
    Raises InputError, with the source, for whatever is absent or does not fit: see `read_config` and `labels.columns`;
    also for weights that are missing (weights that have no place in the model are ignored, as transformers does).

    >>> hub("mine/detector")
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: mine/detector is not a folder here, and as a hub repository it lacks a revision; write \
mine/detector@REVISION with the full hash of a commit
    """
    config = read_config(source, revision)
    where = str(source)
    real, fake = label_names.columns(_id2label(config, where), where, labels)
    folder = _folder(source, revision, weights=True)
    preprocessing = _preprocessing(folder, where, config.get("model_type"))
    detector = Hub(
        _model(folder, where, modality(config, where)), preprocessing, real, fake, modality(config, where)
    ).eval()
    _check_runs(detector, where)
    return detector


def read_config(source: str | Path, revision: str | None = None) -> dict:
    """A model's `config.json`; of a hub repository, that one file is downloaded, unless it was before.

    Raises InputError if there is none, if it is no model for classification of images or videos, and for a repository
    without a whole revision.
    """
    file = _folder(source, revision, weights=False) / "config.json"
    files.check_size(file)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{source} holds no config.json; give the folder that save_pretrained wrote") from None
    except (ValueError, RecursionError):
        raise InputError(f"{source}: its config.json is not valid JSON; fetch it again") from None
    if not isinstance(config, dict):
        raise InputError(f"{source}: its config.json holds no model; give the folder that save_pretrained wrote")
    modality(config, str(source))
    check_numbers(config, f"{source}: its config.json")
    return config


def modality(config: dict, where: str) -> Modality:
    """ "image" or "video", by the class of model that a `config.json` names; InputError for any other."""
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else "without a name"
    for ending, found in MODALITIES.items():
        if name.endswith(ending):
            return found
    raise InputError(f"{where} holds a model {name}; give one whose name ends in {' or '.join(MODALITIES)}")


def frames(config: dict, where: str) -> int | None:
    """How many frames a clip has by a `config.json`; None for images, and where it leaves that open.

    Raises InputError, beginning with `where`, for what is no number of frames.
    """
    found = config.get("num_frames")
    if found is None or modality(config, where) == "image":
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= MOST_FRAMES:
        raise InputError(f"{where} has the num_frames {shown(found)}; it is a whole number from 1 to {MOST_FRAMES}")
    return found


def describe(detector: Hub) -> dict:
    """All of a detector but its weights, as JSON: what `rebuild` needs."""
    return {
        "config": json.loads(cast(Any, detector.model.config).to_json_string(use_diff=False)),
        "preprocessing": asdict(detector.preprocessing),
        "real": detector.real,
        "fake": detector.fake,
        "modality": detector.modality,
    }


def rebuild(description: object, where: str) -> Hub:
    """The detector that `describe` described, with random weights; its source need not be there any more.

    `description` may come from a file of anybody's: it is checked as `descriptions.of_hub` says, and chooses no code
    beyond transformers' own. Raises InputError, beginning with `where`, for what does not pass, and for what
    transformers cannot build.
    """
    found = of_hub(description, _types(), where)
    config = dict(found.config)
    try:
        built = library().AutoConfig.for_model(config.pop("model_type"), **config)
        model = _automatic(found.modality).from_config(
            built, trust_remote_code=False, dtype=torch.float32, attn_implementation="eager"
        )
    except Exception as error:  # whatever a wrong configuration makes of transformers
        raise InputError(f"{where} describes a model that cannot be built ({_said(error)}); make it again") from error
    return Hub(model, found.preprocessing, found.real, found.fake, found.modality)


def _types() -> dict[str, set[str]]:
    """The types of models that transformers has itself, by modality; timm's, which it only wraps, are not."""
    library()
    from transformers.models.auto import modeling_auto as known

    return {
        "image": set(known.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES) - {"timm_wrapper"},
        "video": set(known.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES),
    }


def library() -> ModuleType:
    """The module transformers; InputError where it is not installed."""
    try:
        import transformers
    except ImportError:
        raise InputError(
            "models of the hub, efficientnet-b4 and vit-b16 need transformers, which is not installed; "
            "install it with `pip install 'transformers>=5,<6'`"
        ) from None
    return transformers


def _folder(source: str | Path, revision: str | None, weights: bool) -> Path:
    """Where the files lie: the local folder, or the place in the hub's cache where they are after a download."""
    if Path(source).is_dir():
        return Path(source)
    if revision is None:
        raise InputError(
            f"{source} is not a folder here, and as a hub repository it lacks a revision; "
            f"write {source}@REVISION with the full hash of a commit"
        )
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise InputError(f"{source}: the revision {revision} is not the full hash of a commit; give its 40 hex digits")
    library()  # what downloads comes with it
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for name in ("config.json", "preprocessor_config.json", "model.safetensors") if weights else ("config.json",):
        try:
            file = hf_hub_download(str(source), name, revision=revision)
        except (EntryNotFoundError, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"{source}@{revision}: {name} could not be had from the hub ({said}); check the name, the revision and "
                "the network, and that the weights are safetensors"
            ) from None
    return Path(file).parent


def _id2label(config: dict, where: str) -> dict[int, str]:
    """transformers names labels LABEL_0, LABEL_1 where nobody did, and leaves them out of the file."""
    named = config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"}
    try:
        return {number: str(name) for number, name in sorted((int(key), name) for key, name in named.items())}
    except (ValueError, AttributeError):
        raise InputError(f"{where} has the id2label {named!r}; it must give each number of an output a name") from None


def check_labels(config: dict, where: str, labels: Labels | None) -> None:
    """Raises InputError unless a `config.json`'s label names, or the given `labels`, say real and fake."""
    label_names.columns(_id2label(config, where), where, labels)


def _preprocessing(folder: Path, where: str, model_type: object) -> Preprocessing:
    for name in PREPROCESSORS:
        if (folder / name).is_file():
            files.check_size(folder / name)
            try:
                config = json.loads((folder / name).read_text(encoding="utf-8"))
            except (ValueError, RecursionError):
                raise InputError(f"{where}: its {name} is not valid JSON; fetch it again") from None
            if not isinstance(config, dict):
                raise InputError(f"{where}: its {name} holds no processor; save the model's image processor there")
            return from_config(config, f"{where}: {name}", _processor_of(model_type))
    raise InputError(f"{where} holds no {PREPROCESSORS[0]}; save the model's image processor there")


def _processor_of(model_type: object) -> str | None:
    """The type of processor that transformers gives a model whose preprocessor_config.json names none."""
    library()
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    known = IMAGE_PROCESSOR_MAPPING_NAMES.get(str(model_type)) or {}
    return name_of({"image_processor_type": known.get("torchvision") or known.get("pil")})


def _automatic(modality: Modality) -> Any:
    automatic = {"image": "AutoModelForImageClassification", "video": "AutoModelForVideoClassification"}
    return getattr(library(), automatic[modality])


def _model(folder: Path, where: str, modality: Modality) -> nn.Module:
    if not list(folder.glob("*.safetensors")):
        raise InputError(
            f"{where} holds no safetensors (pickles, such as pytorch_model.bin, can run code); "
            "save the model again with save_pretrained"
        )
    automatic = _automatic(modality)
    _check_extent(folder, where, automatic)
    try:
        with _quiet():
            model, report = automatic.from_pretrained(
                folder,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
                attn_implementation="eager",  # repeats its sums on every device
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told below, by name
            )
    except Exception as error:  # whatever a damaged file makes of transformers
        raise InputError(f"{where} cannot be loaded ({_said(error)}); fetch it again or save it again") from error
    if missing := sorted(report["missing_keys"]):
        more = f"; and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(f"{where} lacks the weights {', '.join(missing[:3])}{more}; give a model trained to classify")
    if unfit := sorted((name, tuple(found), tuple(wanted)) for name, found, wanted in report["mismatched_keys"]):
        name, found, wanted = unfit[0]
        more = f", and {len(unfit) - 1} more do not fit" if len(unfit) > 1 else ""
        raise InputError(
            f"{where}: its weights {name} have the shape {found}, where config.json asks for {wanted}{more}; fetch it "
            "again or save it again"
        )
    return model


def _check_extent(folder: Path, where: str, automatic: Any) -> None:
    """Raise InputError for a config.json that asks for more numbers than the weights hold, before they take memory."""
    try:
        config = library().AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        with torch.device("meta"), _quiet():
            outline = automatic.from_config(config, trust_remote_code=False)
    except Exception as error:  # whatever a wrong configuration makes of transformers
        raise InputError(f"{where} cannot be built ({_said(error)}); fetch it again or save it again") from error
    wanted = sum(tensor.numel() for tensor in outline.state_dict().values())
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))  # of a byte or more each
    if wanted > held:
        raise InputError(
            f"{where}: its config.json describes {wanted} numbers, but its weights have {held} bytes; fetch it again"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own report on weights that do not fit, a table; one sentence says it."""
    logging = library().utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_runs(detector: Hub, where: str) -> None:
    """Two pictures or clips go through; a model that resizes nothing leaves the size to its user."""
    if detector.preprocessing.resize is None:
        return
    try:
        with torch.no_grad():
            logits = detector(pictures(64, (detector.frames or 16) if detector.modality == "video" else None))
    except Exception as error:  # whatever a wrong size makes of transformers
        raise InputError(
            f"{where} cannot take what its preprocessing makes ({_said(error)}); correct its preprocessor_config.json"
        ) from error
    check_logits(logits, 2, where)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
