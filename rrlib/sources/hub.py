"""What a repository of the Hugging Face hub holds at one commit, asked with the hub's own client."""

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
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
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils import build_hf_headers

from rrlib.errors import InputError, parsing
from rrlib.sources.catalogue import File, Hub, Source
from rrlib.sources.download import BUSY, PATIENT, Patience
from rrlib.sources.values import hexadecimal, is_plain

WEIGHTS = ".safetensors"
LARGEST_CONFIG = 10_000_000  # bytes of a config.json; a thousand labels take 50,000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def resolve(source: Source, trusted: str | None = None, patience: Patience = PATIENT) -> tuple[str, list[File]]:
    """(commit, files) of a source on the hub: each file with its URL at that commit, its size and its hash.

    The files are those that the entry lists, else the safetensors and JSON at the repository's top. `trusted` is a
    commit to take where the entry pins none; without either it is the newest. HF_ENDPOINT and HF_TOKEN are honoured.

    Raises InputError if the hub cannot be asked, has no such repository, commit or file, or has pickles only.
    """
    hub, endpoint = source.hub, os.environ.get("HF_ENDPOINT")
    if hub is None:
        raise InputError(f"{source.name} has no repository on the hub; give hub in {source.where}")
    place, wanted = f"{hub.repository} on the hub", hub.revision or trusted
    try:
        with parsing(f"what is said of {place}", "an answer of the hub", "check HF_ENDPOINT and run again"):
            info = _answer(lambda: _ask(hub, wanted, endpoint), patience)
            commit, held = info.sha, {str(sibling.rfilename): sibling for sibling in info.siblings or ()}
    except InputError as error:
        raise _complaint(error, source, place, wanted) from None
    if not isinstance(commit, str) or not re.fullmatch("[0-9a-f]{40}", commit):
        raise InputError(f"{place} names no commit; check HF_ENDPOINT and run again")
    listed = source.files or tuple(File(name) for name in _needed(held, place))
    files = []
    for file in listed:
        if file.name not in held:
            raise InputError(f"{place} has no {file.name} at {commit}; correct {source.where}")
        known = held[file.name]
        url = hf_hub_url(hub.repository, file.name, repo_type=hub.type, revision=commit, endpoint=endpoint)
        sha256, git, size = _told(known, f"{place}: {file.name}")
        size = size if file.size is None else file.size
        files.append(replace(file, url=url, sha256=file.sha256 or sha256, git=git, size=size))
    return commit, files


def _told(known: RepoSibling, where: str) -> tuple[str | None, str | None, int | None]:
    """(SHA-256, git's name, size) of a file as the hub tells them; InputError for what they cannot be."""
    sha256, git, size = (known.lfs.sha256, None, known.size) if known.lfs else (None, known.blob_id, known.size)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise InputError(f"{where} has the size {size!r} on the hub; check HF_ENDPOINT and run again")
    return hexadecimal(sha256, 64, f"{where}: sha256"), hexadecimal(git, 40, f"{where}: blobId"), size


def _ask(hub: Hub, revision: str | None, endpoint: str | None) -> ModelInfo | DatasetInfo:
    api = HfApi(endpoint=endpoint)
    of = api.model_info if hub.type == "model" else api.dataset_info
    return of(hub.repository, revision=revision, timeout=30, files_metadata=True)


def _complaint(error: InputError, source: Source, place: str, wanted: str | None) -> InputError:
    """What the hub's client raised, as a sentence that says what to do."""
    match error.__cause__:
        case GatedRepoError():
            return InputError(f"{place} is gated; ask at {source.page}, then set HF_TOKEN and run again")
        case RevisionNotFoundError():
            return InputError(f"{place} has no revision {wanted}; correct it in {source.where}")
        case RepositoryNotFoundError():
            return InputError(f"{place} is not there, or not for you; correct it in {source.where}, or set HF_TOKEN")
        case HfHubHTTPError() | HTTPError() | OfflineModeIsEnabled() as cause:
            return InputError(
                f"{place} cannot be reached ({type(cause).__name__}); check the network, the proxy and HF_ENDPOINT, "
                "and run again"
            )
    return error


def headers() -> dict[str, str]:
    """What the hub wants to be sent: who asks, and the token where there is one."""
    return build_hf_headers(library_name="rrlib")


def refuse_code(folder: Path) -> None:
    """Raise InputError if a model's config.json asks for code of its repository to be run, or cannot be read."""
    config = folder / "config.json"
    if not config.is_file():
        return
    if config.stat().st_size > LARGEST_CONFIG:
        raise InputError(f"{config} has {config.stat().st_size} bytes, where {LARGEST_CONFIG} are the most; look at it")
    with parsing(config, "valid JSON", "choose another detector"):
        found = json.loads(config.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or "auto_map" in found:
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
    top = sorted(name for name in held if is_plain(name))
    weights = [name for name in top if name.endswith(WEIGHTS)]
    pickles = [name for name in top if name.endswith(PICKLES)]
    if not weights and pickles:
        raise InputError(f"{place} has pickle weights only ({pickles[0]}), which can run code; choose another detector")
    if not weights:
        raise InputError(f"{place} has no {WEIGHTS} file; list its files in the catalogue, or choose another")
    return weights + [name for name in top if name.endswith(".json")]
