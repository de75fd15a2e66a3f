"""Each number that the book's page on data sets gives is the code's, or is on a list of what others published."""

import re
from pathlib import Path

import pytest

from rrlib.datasets import crops, folds, images, manifest, video
from rrlib.datasets.synthetic import clip_forgery, motion, plan
from rrlib.datasets.synthetic.forgery import FAMILIES

PAGE = (Path(__file__).resolve().parents[2] / "book" / "data.md").read_text(encoding="utf-8")
FRACTIONS = manifest.FRACTIONS
NOT_TEST = FRACTIONS["train"] + FRACTIONS["validation"]
TEST_IMAGES, TEST_CLIPS = 384, 128  # of the study as it is distributed


def identities(count: int) -> int:
    """How many people so many test samples show."""
    return len({shot.identity for shot in plan.plan("test", count, tuple(FAMILIES))})


# a sentence of the page, and the numbers of the code that belong in its gaps
SAID = {
    "{} % of the other images are for validation": [100 * folds.VALIDATION],
    "An identity has {} images for training": [plan.SHOTS_PER_IDENTITY["train"]],
    "The {} test images have {}, the {} test clips {}.": [
        TEST_IMAGES,
        identities(TEST_IMAGES),
        TEST_CLIPS,
        identities(TEST_CLIPS),
    ],
    "Clips are lossless videos, {} frames a second": [motion.FPS],
    "In the other three the tint trembles too, {} times as much as in `flicker`": [clip_forgery.TREMOR],
    "in the {} % of the real ones that were retouched": [100 * clip_forgery.RETOUCHED],
    "the other {} % of the real clips have no departure": [100 * (1 - clip_forgery.RETOUCHED)],
    "dealt out, {} % and {} % of the source videos": [
        100 * FRACTIONS["train"] / NOT_TEST,
        100 * FRACTIONS["validation"] / NOT_TEST,
    ],
    "dealt out, {} % and {} % of the actors": [
        100 * FRACTIONS["train"] / NOT_TEST,
        100 * FRACTIONS["validation"] / NOT_TEST,
    ],
    "{} % of the groups go to train, {} % to validation and {} % to test": [100 * each for each in FRACTIONS.values()],
    "| more than {} million pixels |": [images.MAX_PIXELS // 10**6],
    "| more than {} million pixels a frame, or more than {} GiB of frames": [
        video.MAX_PIXELS // 10**6,
        crops.MOST_HELD / 2**30,
    ],
}
# what is no number of the code: labels, names, aims of the tuning, and counts of published lists
OTHERS = (
    "right about 0.85 to 0.99 of the time",
    "on the images of seed 0",
    "the images of seed 1",
    "Clips of seeds 0 and 1 were looked at for that choice, and the study uses those of seed 1",
    "`label`, 0 real, 1 fake",
    "0 real, 1 fake",
    "where 1 means real",
    "its 340 fakes were made from 211 videos, 163 of which it leaves to training",
    "these 163",
    "071 and 054 give the fakes 071_054 and 054_071",
    "id0_id1_0000 is the video id0_0000 with the face of id1, so its group is id0_0000",
    "turned videos | as the display matrix says, by 90°",
    "more than 8 bits, grey, alpha | become 8 bits",
    "BT.601",
    "16 bits per channel",
    "UTF-8",
)


@pytest.mark.parametrize("sentence", SAID)
def test_a_sentence_gives_the_codes_numbers(sentence):
    assert sentence.format(*(f"{number:.10g}" for number in SAID[sentence])) in PAGE


def test_no_other_number_stands_on_the_page():
    rest = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    for sentence in SAID:
        rest = rest.replace(sentence.format(*(f"{number:.10g}" for number in SAID[sentence])), "")
    for words in OTHERS:
        assert words in PAGE
        rest = rest.replace(words, "")
    rest = re.sub(r"\{cite\}`\w+`|`[^`]*`|\w*[A-Za-z.]\w*", "", rest)
    assert re.findall(r"\d+(?:\.\d+)?", rest) == []


def test_the_page_names_the_families_of_forgeries():
    table = re.findall(r"^\| `(\w+)` \|", PAGE[: PAGE.index("## Folders of images")], re.MULTILINE)
    assert table == [*FAMILIES, *clip_forgery.FAMILIES]


def test_half_of_what_is_drawn_is_real():
    assert "Half of the images are real." in PAGE
    for split in plan.SPLITS:
        shots = plan.plan(split, 40, tuple(FAMILIES))
        assert sum(not shot.family for shot in shots) == 20
