"""Published portraits in the form in which the recorded study measured them: 256 × 256 px, JPEG of quality 92.

    python -m rrlib fetch real-or-fake --trust-first-use
    python tools/portraits.py

Which 200 + 200 of the published images they are, `data/recorded/faces/samples.csv` says by their numbers: real/ffhq_12
is data/real/12.jpg of the repository, fake/sg2_fake_12 its data/fake/fake_12.jpg. With which filter they were made
smaller is not on record, so a file may differ from the one that was measured; how many do, this says by their SHA-256.
"""

import csv
import hashlib
import sys
from pathlib import Path

from PIL import Image

SOURCE = Path("outputs/sources/real-or-fake")
LISTED = Path("data/recorded/faces/samples.csv")
SIDE, QUALITY = 256, 92
PLACES = {"real/ffhq_": "data/real/{}.jpg", "fake/sg2_fake_": "data/fake/fake_{}.jpg"}


def published(sample: str) -> str:
    """Where the repository has a sample.

    >>> published("fake/sg2_fake_12")
    'data/fake/fake_12.jpg'
    """
    (place,) = (place.format(sample.removeprefix(start)) for start, place in PLACES.items() if sample.startswith(start))
    return place


def make(source: Path, listed: Path, target: Path) -> tuple[int, int]:
    """The listed samples below `target`; how many there are, and how many are byte for byte what was measured."""
    with listed.open(newline="", encoding="utf-8") as file:
        measured = {row["sample"]: row["sha256"] for row in csv.DictReader(file)}
    (repository,) = source.glob("realorfake-*/")
    alike = 0
    for sample, sha256 in measured.items():
        path = target / f"{sample}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(repository / published(sample)) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(path, "JPEG", quality=QUALITY)
        alike += hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    return len(measured), alike


if __name__ == "__main__":
    if not list(SOURCE.glob("realorfake-*/")):
        sys.exit(f"{SOURCE} is empty; fetch it first: python -m rrlib fetch real-or-fake --trust-first-use")
    count, alike = make(SOURCE, LISTED, SOURCE / "faces")
    print(f"{SOURCE / 'faces'}: {count} portraits, {alike} of them byte for byte those that were measured")
