"""Prints the page on what the compendium uses: each line of requirements.in with version, licence and reason.

python tools/licences.py > book/dependencies.md      `make licences`
"""

import re
from importlib.metadata import PackageMetadata, distribution, metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# other names of one licence
SPELT = {
    "Apache Software License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "BSD": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "MIT License": "MIT",
}
HEAD = """# What it uses

The direct dependencies of the compendium, what each is for, and its licence as the package itself states it. \
Parts that its wheel bundles may have others. `requirements.lock` pins them and all that they need in turn. \
`make licences` writes this page.

| package | version | licence | why |
|---|---|---|---|"""


def direct() -> dict[str, str]:
    """The packages of requirements.in with their reasons."""
    lines = (REPOSITORY / "requirements.in").read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9_.-]+)[^#]*#\s*(.+)", line) for line in lines if not line.startswith("#"))
    return dict(match.groups() for match in found)


def licence(package: PackageMetadata) -> str:
    """The SPDX expression, else the licence field, else the classifier, else what the licence itself begins with."""
    classifiers = [c.split(" :: ")[-1] for c in package.get_all("Classifier") or [] if c.startswith("License :: ")]
    stated = (package.get("License") or "").strip().split("\n")[0]
    file = (distribution(package["Name"]).read_text("licenses/LICENSE") or "").strip().split("\n")[0]
    texts = [package.get("License-Expression"), stated if len(stated) <= 40 else None, *classifiers, file]
    chosen = next((text for text in texts if text), "not stated")
    return SPELT.get(chosen, chosen)


# scripts of the explorer page, as npm has them; each file begins with its name and version
SCRIPTS = {
    "d3.min.js": ("d3", "ISC", "what Observable Plot draws with"),
    "plot.umd.min.js": ("@observablehq/plot", "ISC", "the figures of the explorer"),
}


def script(name: str) -> str:
    """A line for a script of book/_scripts/explorer."""
    with open(REPOSITORY / "book/_scripts/explorer" / name, encoding="utf-8") as file:
        version = re.search(r"v(\d[\d.]*)", file.readline())
    assert version, f"{name} does not begin with its version"
    package, licence, why = SCRIPTS[name]
    return f"| {package} (npm) | {version[1]} | {licence} | {why} |"


def main() -> None:
    print(HEAD)
    for name, why in direct().items():
        package = metadata(name)
        version = package["Version"].partition("+")[0]  # torch's build is the machine's
        print(f"| {name} | {version} | {licence(package)} | {why} |")
    for name in SCRIPTS:
        print(script(name))


if __name__ == "__main__":
    main()
