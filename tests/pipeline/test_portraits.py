"""Published portraits are brought to the form that was measured, and whether they are the very files is told."""

import csv
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).parents[2]


def tool():
    spec = importlib.util.spec_from_file_location("portraits", REPOSITORY / "tools/portraits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_sample_is_made_from_the_published_image_of_its_number(tmp_path):
    published = tmp_path / "source/realorfake-0/data"
    rows = []
    for number, (place, sample) in enumerate((("real/7", "real/ffhq_7"), ("fake/fake_3", "fake/sg2_fake_3"))):
        path = published / f"{place}.jpg"
        path.parent.mkdir(parents=True)
        Image.fromarray(np.full((512, 512, 3), 90 + number, np.uint8)).save(path)
        rows.append({"sample": sample, "sha256": "0" * 64})
    listed = tmp_path / "samples.csv"

    def write():
        with listed.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["sample", "sha256"])
            writer.writeheader()
            writer.writerows(rows)

    write()
    assert tool().make(tmp_path / "source", listed, tmp_path / "faces") == (2, 0)
    made = tmp_path / "faces/fake/sg2_fake_3.jpg"
    with Image.open(made) as image:
        assert image.size == (256, 256)
        assert abs(int(np.asarray(image)[0, 0, 0]) - 91) <= 1
    rows[1]["sha256"] = hashlib.sha256(made.read_bytes()).hexdigest()
    write()
    assert tool().make(tmp_path / "source", listed, tmp_path / "faces") == (2, 1)
