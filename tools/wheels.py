"""Says whether every pin of requirements.lock has a wheel for each Python and platform. Resolves; installs nothing.

python tools/wheels.py      a table; the exit status is 1 if a pin lacks a wheel or the extras do not go together
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux arm64": "aarch64-manylinux_2_28",
    "macOS 14 arm64": "aarch64-apple-darwin",
}
# without a wheel on the index, and built in a second on any machine: pure Python
PURE = {"antlr4-python3-runtime"}
# the oldest macOS that the column speaks of; no local folder, so that the index alone answers
ENVIRONMENT = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_FIND_LINKS": ""}


def pins(lock: str) -> dict[str, str]:
    """The lock's entries by name, each with its hashes."""
    return {re.match(r"[^=]+", entry).group(): entry for entry in re.split(r"\n(?=\S)", lock) if entry[0] != "#"}


def lacking(entries: dict[str, str], python: str, platform: str, target: str) -> list[str]:
    """The names that have no wheel for this Python on this platform.

    uv stops at the first, so what it names is left out and it is asked again.
    """
    command = [UV, "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--requirement", "-"]
    left, found = {name: entry for name, entry in entries.items() if name not in PURE}, []
    while True:
        done = subprocess.run(
            [*command, "--python-version", python, "--python-platform", platform, "--target", target],
            input="\n".join(left.values()),
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return found
        named = re.search(r"Because ([A-Za-z0-9_.-]+)==", done.stderr)
        if named is None or named[1] not in left:
            raise SystemExit(f"uv failed for another reason than a missing wheel: {done.stderr}")
        found.append(named[1])
        del left[named[1]]


def extras_together() -> str:
    """Empty if pyproject's extras can be installed together, else what uv says against it."""
    command = [UV, "pip", "compile", "--quiet", "--universal", "--all-extras", "--python-version", PYTHONS[0]]
    done = subprocess.run([*command, "pyproject.toml"], cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr


def main() -> int:
    entries = pins((REPOSITORY / "requirements.lock").read_text())
    print(f"{len(entries)} pins; built from source everywhere: {', '.join(sorted(PURE))}\n")
    print("| Python | " + " | ".join(PLATFORMS) + " |\n|---" + "|---" * len(PLATFORMS) + "|")
    missing = 0
    for python in PYTHONS:
        with tempfile.TemporaryDirectory() as target:  # stays empty
            cells = [lacking(entries, python, platform, target) for platform in PLATFORMS.values()]
        missing += sum(map(len, cells))
        print(f"| {python} | " + " | ".join("lacks " + ", ".join(cell) if cell else "green" for cell in cells) + " |")
    against = extras_together()
    print("\nextras of pyproject.toml: " + (against or "go together"))
    return 1 if missing or against else 0


if __name__ == "__main__":
    sys.exit(main())
