"""A detector of one's own: a factory in a module of the current directory or of an installed package."""

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from rrlib.detectors.contract import Modality, said
from rrlib.detectors.trial import try_out
from rrlib.errors import InputError

MODALITIES = ("image", "video")


def factory(name: str) -> Callable[[int], nn.Module]:
    """The callable that `package.module:factory` names; it takes input_size and returns a detector.

    It may carry two attributes: `modality`, "image" (the default) or "video", and `frames`, the number of frames that
    its detector needs. Raises InputError if the module cannot be imported, has no such name, or if that is not callable
    or is for something else.

    >>> factory("rrlib.detectors.resnet:ResNet").__name__
    'ResNet'
    >>> factory("rrlib.detectors.resnet")
    Traceback (most recent call last):
    ...
    rrlib.errors.InputError: python:rrlib.detectors.resnet names no factory; write python:PACKAGE.MODULE:FACTORY
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise InputError(f"python:{name} names no factory; write python:PACKAGE.MODULE:FACTORY")
    module = _module(module_name, name)
    if not hasattr(module, attribute):
        raise InputError(f"python:{name}: {module.__file__} has no {attribute}; define it there or correct the name")
    found = getattr(module, attribute)
    if not callable(found):
        raise InputError(f"python:{name} is a {type(found).__name__}; name a function or class that takes input_size")
    if modality(found) not in MODALITIES:
        raise InputError(
            f"python:{name}: its attribute modality is {modality(found)!r}; set it to {' or '.join(MODALITIES)}"
        )
    return found


def modality(found: Callable) -> Modality:
    """What the factory's detector takes: "image" or "video"."""
    return getattr(found, "modality", "image")


def sha256(name: str) -> str:
    """SHA-256 of the file of the module that `package.module:factory` names; raises InputError as `factory` does.

    >>> len(sha256("rrlib.detectors.resnet:ResNet"))
    64
    """
    factory(name)
    file = getattr(sys.modules[name.partition(":")[0]], "__file__", None)
    if file is None:
        raise InputError(f"python:{name} has no file whose changes could be told; name a module that has one")
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def make(name: str, input_size: int) -> nn.Module:
    """The detector that the factory makes, once it has passed `try_out`.

    Raises InputError as `factory` does, if the factory raises or returns no module, and as `try_out` does. The
    detector's modes are as the factory left them.
    """
    found = factory(name)
    try:
        detector = found(input_size)
    except Exception as error:  # anything may go wrong in another's code
        raise InputError(f"python:{name} raised {said(error)} for input_size {input_size}; correct it") from error
    if not isinstance(detector, nn.Module):
        raise InputError(f"python:{name} returned a {type(detector).__name__}; return a torch.nn.Module")
    try_out(detector, input_size, modality(found), getattr(found, "frames", None), f"python:{name}: its detector")
    return detector


def _module(module: str, name: str):
    here = str(Path.cwd())
    added = here not in sys.path
    if added:  # a notebook or a test may run where the current directory is not looked into
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise InputError(
                f"python:{name}: there is no module {module} in {here} or among the installed packages; "
                "correct the name"
            ) from None
        raise InputError(f"python:{name}: {module} needs {error.name}, which is not installed; install it") from None
    except Exception as error:
        raise InputError(f"python:{name}: {module} raised {said(error)} as it was imported; correct it") from error
    finally:
        if added:
            sys.path.remove(here)
