"""What a repository of the Hugging Face hub holds at one commit, asked with the hub's own client."""

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from huggingface_hub import DatasetInfo, HfApi, ModelInfo, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from rrlib.errors import InputError
from rrlib.sources.catalogue import File, Source
from rrlib.sources.download import BUSY, PATIENT, Patience

WEIGHTS = ".safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def resolve(source: Source, trusted: str | None = None, patience: Patience = PATIENT) -> tuple[str, list[File]]:
    """(commit, files) of a source on the hub: each file with its URL at that commit, its size and its hash.

    The files are those that the entry lists, else the safetensors and JSON at the repository's top. `trusted` is a
    commit to take where the entry pins none; without either it is the newest. HF_ENDPOINT and HF_TOKEN are honoured.

    Raises InputError if the hub cannot be asked, has no such repository, commit or file, or has pickles only.
    """
    hub, endpoint = source.hub, os.environ.get("HF_ENDPOINT")
    place = f"{hub.repository} on the hub"
    try:
        ask = partial(HfApi(endpoint=endpoint).repo_info, hub.repository, repo_type=hub.type, files_metadata=True)
        info = _answer(partial(ask, revision=hub.revision or trusted, timeout=30), patience)
    except GatedRepoError:
        raise InputError(f"{place} is gated; ask at {source.page}, then set HF_TOKEN and run again") from None
    except RevisionNotFoundError:
        raise InputError(f"{place} has no revision {hub.revision or trusted}; correct it in {source.where}") from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{place} is not there, or not for you; correct it in {source.where}, or set HF_TOKEN"
        ) from None
    except (HfHubHTTPError, HTTPError, OfflineModeIsEnabled) as error:
        raise InputError(
            f"{place} cannot be reached ({type(error).__name__}); check the network, the proxy and HF_ENDPOINT, and "
            "run again"
        ) from None
    held = {sibling.rfilename: sibling for sibling in info.siblings}
    listed = source.files or [File(name) for name in _needed(held, place)]
    files = []
    for file in listed:
        if file.name not in held:
            raise InputError(f"{place} has no {file.name} at {info.sha}; correct {source.where}")
        known = held[file.name]
        url = hf_hub_url(hub.repository, file.name, repo_type=hub.type, revision=info.sha, endpoint=endpoint)
        sha256, git = (known.lfs.sha256, None) if known.lfs else (None, known.blob_id)
        size = known.size if file.size is None else file.size
        files.append(replace(file, url=url, sha256=file.sha256 or sha256, git=git, size=size))
    return info.sha, files


def headers() -> dict[str, str]:
    """What the hub wants to be sent: who asks, and the token where there is one."""
    return build_hf_headers(library_name="rrlib")


def refuse_code(folder: Path) -> None:
    """Raise InputError if a model's config.json asks for code of its repository to be run."""
    config = folder / "config.json"
    if config.is_file() and "auto_map" in json.loads(config.read_text(encoding="utf-8")):
        raise InputError(f"{config} asks to run code of its repository, which is never done; choose another detector")


def _answer(ask: Callable[[], ModelInfo | DatasetInfo], patience: Patience) -> ModelInfo | DatasetInfo:
    """What the hub answers; while it is busy or away it is asked again, after growing waits."""
    for number in range(patience.attempts - 1):
        try:
            return ask()
        except HTTPError as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code not in BUSY:
                raise
        time.sleep(patience.backoff * 2**number)
    return ask()


def _needed(held: Iterable[str], place: str) -> list[str]:
    top = sorted(name for name in held if "/" not in name)
    weights = [name for name in top if name.endswith(WEIGHTS)]
    pickles = [name for name in top if name.endswith(PICKLES)]
    if not weights and pickles:
        raise InputError(f"{place} has pickle weights only ({pickles[0]}), which can run code; choose another detector")
    if not weights:
        raise InputError(f"{place} has no {WEIGHTS} file; list its files in the catalogue, or choose another")
    return weights + [name for name in top if name.endswith(".json")]
