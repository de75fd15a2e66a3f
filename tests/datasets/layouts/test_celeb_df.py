"""Facts about Celeb-DF: 1 means real in its list, source videos do not cross into training, names must tell them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published import clip, prepare, refusal, rows

from rrlib.datasets import catalogue, manifest, video

LIST = "List_of_testing_videos.txt"
TEST = ["1 Celeb-real/id0_0000.mp4", "1 YouTube-real/00170.mp4", "0 Celeb-synthesis/id0_id1_0000.mp4"]
# id0_0000 and 00170 are listed; id0_id2_0000 shares id0_0000 and must not be trained on
LEFT_OUT = "Celeb-synthesis/id0_id2_0000"
CLIPS = [
    *("Celeb-real/id0_0000", "YouTube-real/00170", "Celeb-synthesis/id0_id1_0000", LEFT_OUT),
    *(f"Celeb-real/id{person}_000{number}" for person in (1, 2) for number in range(3)),
    *(f"Celeb-synthesis/id{person}_id{other}_000{n}" for person, other in ((1, 0), (1, 2), (2, 1)) for n in range(3)),
    *(f"YouTube-real/0000{number}" for number in range(3)),
]


def celeb_df(root: Path, inside: str = "", frames: bool = False) -> Path:
    for name in CLIPS:
        folder, _, stem = name.partition("/")
        clip(root / folder / inside / stem, frames)
    (root / LIST).write_text("\n".join(TEST) + "\n")
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return celeb_df(tmp_path_factory.mktemp("distributed") / "celeb")


@pytest.fixture
def source(tree, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(tree, tmp_path / "celeb"))


def test_the_list_is_the_test_split_and_its_1_is_real(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "celeb-df"), tree)
    assert {path: row for path, row in found.items() if row[2] == "test"} == {
        "Celeb-real/id0_0000.mp4": (0, "id0_0000", "test", ""),
        "YouTube-real/00170.mp4": (0, "00170", "test", ""),
        "Celeb-synthesis/id0_id1_0000.mp4": (1, "id0_0000", "test", ""),
    }


def test_the_rest_is_dealt_out_by_source_video_over_train_and_validation(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "celeb-df"), tree)
    assert found["Celeb-synthesis/id1_id2_0001.mp4"][1] == "id1_0001"
    for name in CLIPS:
        if "synthesis" in name and name != LEFT_OUT:
            person, _, number = name.split("/")[1].split("_")
            assert found[f"{name}.mp4"][:3:2] == (1, found[f"Celeb-real/{person}_{number}.mp4"][2])
    groups = {split: {group for _, group, given, _ in found.values() if given == split} for split in manifest.SPLITS}
    # 0.6 to 0.15 are 8 to 2: of the nine source videos outside the list, two are for validation
    assert {split: len(names) for split, names in groups.items()} == {"train": 7, "validation": 2, "test": 2}
    other = rows(prepare(tree, tmp_path / "other", "celeb-df", seed=1), tree)
    assert other != found
    assert rows(prepare(tree, tmp_path / "again", "celeb-df"), tree) == found


def test_what_shares_its_source_video_with_the_list_is_left_out_and_said_so(tree, tmp_path):
    found = rows(prepare(tree, tmp_path / "out", "celeb-df"), tree)
    assert f"{LEFT_OUT}.mp4" not in found
    assert len(found) == len(CLIPS) - 1
    expected = [{"path": f"{LEFT_OUT}.mp4", "reason": "its group id0_0000 is in the official test split"}]
    assert catalogue.clip_report(tmp_path / "out")["skipped"] == expected


@pytest.mark.parametrize(("inside", "frames"), [("frames", True), ("videos", False)])
def test_the_folders_of_deepfakebench_give_the_same_rows(tree, tmp_path, inside, frames):
    bench = celeb_df(tmp_path / "bench", inside, frames)
    found = rows(prepare(bench, tmp_path / "out", "celeb-df"), bench)
    expected = rows(prepare(tree, tmp_path / "plain", "celeb-df"), tree)
    plain = {path.replace(f"/{inside}/", "/").removesuffix(".mp4"): row for path, row in found.items()}
    assert plain == {path.removesuffix(".mp4"): row for path, row in expected.items()}


def test_of_videos_and_frames_one_must_be_named(source, tmp_path):
    celeb_df(source, "frames", frames=True)
    message = f"{source / 'Celeb-real'} holds both frames and videos; write clips: frames or clips: videos in layout"
    assert refusal(source, "celeb-df") == message
    found = rows(prepare(source, tmp_path / "out", {"name": "celeb-df", "clips": "frames"}), source)
    assert all("/frames/" in path for path in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1 Celeb-synthesis/id1_id0_0000.mp4",
            "line 4 says 1, which is real, of Celeb-synthesis/id1_id0_0000.mp4, but what is in Celeb-synthesis/ is "
            "fake; correct one",
        ),
        (
            "0 Celeb-real/id1_0000.mp4",
            "line 4 says 0, which is fake, of Celeb-real/id1_0000.mp4, but what is in Celeb-real/ is real; correct one",
        ),
        ("Celeb-real/id1_0000.mp4", "line 4 is 'Celeb-real/id1_0000.mp4'; write it such as '1 YouTube-real/00170.mp4'"),
        ("1 real/a.mp4", "line 4 is '1 real/a.mp4'; write it such as '1 YouTube-real/00170.mp4'"),
        ("2 Celeb-real/a.mp4", "line 4 is '2 Celeb-real/a.mp4'; write it such as '1 YouTube-real/00170.mp4'"),
    ],
)
def test_a_line_that_is_not_as_it_should_be_is_named(source, line, message):
    (source / LIST).write_text("\r\n".join([*TEST, line]))
    assert refusal(source, "celeb-df") == f"{source / LIST}: {message}"


def test_an_absent_or_empty_list_is_named(source):
    (source / LIST).write_text("\n\n")
    assert refusal(source, "celeb-df") == f"{source / LIST} lists no video; take it from the data set"
    (source / LIST).unlink()
    message = f"{source / LIST} is absent or no text, but it says which videos are for testing; "
    assert refusal(source, "celeb-df").startswith(message)


def test_a_listed_video_that_is_absent_is_named_or_listed(source, tmp_path):
    shutil.rmtree(source / "YouTube-real")
    message = f"{source} lacks 1 of 18 videos, the first is YouTube-real/00170.mp4; complete the data set, "
    assert refusal(source, "celeb-df").startswith(message)
    prepare(source, tmp_path / "out", "celeb-df", on_error="skip")
    assert [entry["path"] for entry in catalogue.clip_report(tmp_path / "out")["skipped"]] == [
        f"{LEFT_OUT}.mp4",
        "YouTube-real/00170.mp4",
    ]


def test_a_test_split_that_loses_a_class_is_refused(source):
    (source / "Celeb-synthesis/id0_id1_0000.mp4").write_bytes(b"no video")
    message = f"{source}: the split test holds one class only (real); give it real and fake images"
    assert refusal(source, "celeb-df", on_error="skip") == message


def test_a_name_that_tells_no_source_video_is_refused(source):
    clip(source / "Celeb-synthesis/swapped")
    message = (
        f"{source / 'Celeb-synthesis/swapped.mp4'} has a name that tells no source video; name it such as "
        "id0_id1_0000, or take it out"
    )
    assert refusal(source, "celeb-df") == message


def test_an_absent_class_is_named(source):
    shutil.rmtree(source / "Celeb-synthesis")
    assert refusal(source, "celeb-df") == f"{source} has no Celeb-synthesis/; complete the data set"


def test_faces_are_cut_out_and_faceless_videos_skipped(real, tmp_path):
    pytest.importorskip("cv2")
    source = tmp_path / "celeb"
    names = [
        *(f"Celeb-real/id0_000{number}" for number in range(4)),
        *(f"Celeb-synthesis/id0_id1_000{number}" for number in range(3)),
    ]
    faces = sorted((real / "faces/real").iterdir())
    for name, path in zip(names, faces, strict=False):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        face = np.array(Image.open(path).convert("RGB").resize((128, 128)))
        video.encode((source / name).with_suffix(".mp4"), np.stack([face] * 4))
    video.encode(source / "Celeb-real/id0_0003.mp4", np.full((4, 64, 64, 3), 110, np.uint8))
    (source / LIST).write_text("1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n")
    crop = {"scale": 1.3, "size": 32}
    prepare(source, tmp_path / "out", "celeb-df", crop=crop, on_error="skip")
    assert manifest.read(tmp_path / "out")["path"].tolist() == [f"{name}.mkv" for name in (*names[:3], *names[4:])]
    assert catalogue.load(tmp_path / "out", "test", 32)[0][0].shape == (4, 3, 32, 32)
    assert [entry["path"] for entry in catalogue.clip_report(tmp_path / "out")["skipped"]] == [f"{names[3]}.mp4"]
