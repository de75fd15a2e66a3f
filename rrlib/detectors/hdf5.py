"""The arrays of an HDF5 file of Keras weights, read in a process of its own.

A damaged file can crash the HDF5 library, and a header can make it take what memory it claims. So nobody here opens
such a file but this very file, run as a program without anything else of the project: it has a bound of memory and of
time, and answers with the arrays as safetensors or with one line of complaint.
"""

import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

LARGEST = 1_000_000  # numbers in one array; the largest of MesoNet has 16,384
MOST = 20_000_000  # numbers in all arrays
MEMORY = 4 << 30  # bytes of address space
SECONDS = 60
REFUSED = 3  # exit status with a complaint


class UnreadableError(Exception):
    """What is wrong with the file, in a few words."""


def arrays(path: Path) -> dict[str, Any]:
    """The weights as float32 arrays of numpy, each under "LAYER/NAME", axes as Keras has them.

    Raises UnreadableError for a file that is none of Keras's, is damaged, or asks for too much.
    """
    from safetensors.numpy import load

    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each of them would reserve memory
    # -I: neither the folder at hand nor the environment says what is imported
    command = [sys.executable, "-I", __file__, os.path.abspath(path)]
    try:
        child = subprocess.run(command, capture_output=True, timeout=SECONDS, env=os.environ | threads)
    except subprocess.TimeoutExpired as error:
        raise UnreadableError(f"it takes longer than {SECONDS} s to read") from error
    if child.returncode < 0:
        raise UnreadableError(f"the HDF5 library dies of it, {signal.Signals(-child.returncode).name}")
    said = child.stderr.decode(errors="replace")
    if child.returncode == REFUSED:
        raise UnreadableError(said.strip())
    if child.returncode:
        raise RuntimeError(said)
    return load(child.stdout)


def read(path: str) -> dict[str, Any]:
    """What `arrays` gives, by this process itself; any exception may come of a damaged file."""
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        whole = file.get("model_weights", file)  # `model.save`, or `save_weights`
        for layer in whole.attrs["layer_names"].astype(str):
            for name in whole[layer].attrs["weight_names"].astype(str):
                key = f"{layer}/{name.split('/')[-1].removesuffix(':0')}"
                found[key] = _array(whole, f"{layer}/{name}")
                if sum(array.size for array in found.values()) > MOST:
                    raise ValueError(f"it has more than {MOST} numbers")
    return found


def _array(group: Any, name: str) -> Any:
    """The floating-point numbers of a data set, once they are known to be few and to lie in the file itself."""
    import h5py

    at = group
    for part in name.split("/"):
        if not isinstance(at.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} lies in another file")
        at = at[part]
    if at.external or at.is_virtual:
        raise ValueError(f"{name} lies in another file")
    if at.size > LARGEST:
        raise ValueError(f"{name} has {at.size} numbers, more than {LARGEST}")
    if at.dtype.kind != "f":
        raise ValueError(f"{name} holds {at.dtype}, not floating-point numbers")
    return at[()].astype("float32")


def main(path: str) -> int:
    from safetensors.numpy import save

    with suppress(ValueError, OSError):  # a system that knows no such bound has the bound of time
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        answer = save(read(path))
    except Exception as error:  # whatever a damaged or foreign file makes of h5py
        print(" ".join(str(error).split())[:200] or type(error).__name__, file=sys.stderr)
        return REFUSED
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
