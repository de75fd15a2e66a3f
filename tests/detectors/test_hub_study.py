"""Models of the hub on the whole study path, from params.yaml to a table."""

import re
import shutil

import pytest
import torch

from rrlib import evaluation
from rrlib import study as stages
from rrlib.detectors.hub import hub
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.study import paths


def test_an_image_and_a_video_model_run_the_whole_study_path(image_folder, video_folder, study_of):
    entry = {"architecture": "hub:image", "input_size": 48}
    found = study_of({"vit": entry}, {"videomae": {"architecture": "hub:video", "input_size": 40}})
    expected = {"vit": hub(image_folder), "videomae": hub(video_folder)}
    for cell in (Cell("faces", "vit", "pgd"), Cell("moving", "videomae", "pgd")):
        stages.prepare_dataset(found, cell.dataset)
        stages.make_checkpoint(found, cell.dataset, cell.detector)
    before = [paths.checkpoint_path(*pair).read_bytes() for pair in found.pairs()]
    for pair in found.pairs():
        stages.make_checkpoint(found, *pair)
    assert [paths.checkpoint_path(*pair).read_bytes() for pair in found.pairs()] == before
    shutil.rmtree("image")  # the checkpoint is enough
    shutil.rmtree("video")
    for cell in (Cell("faces", "vit", "pgd"), Cell("moving", "videomae", "pgd")):
        table = stages.table_of(found, cell)
        assert stages.load_detector(found, *cell[:2]).metadata["weights"].startswith("hub:")
        attacked = table.query("epsilon > 0")
        assert attacked["gradient"].all()
        assert (attacked["shift"] > 0).all()
        dataset = stages.load_test_set(cell.dataset, 48 if cell.detector == "vit" else 40)
        again = evaluation.evaluate(expected[cell.detector], dataset, "fgsm", [0])
        p_clean = table.query("epsilon == 0")["p_clean"].tolist()
        assert again["p_clean"].tolist() == pytest.approx(p_clean, abs=1e-6)  # in batches of another size


def test_a_data_set_with_another_number_of_frames_is_refused_before_anything_runs(save_model, small, study_of):
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    config = VideoMAEConfig(num_frames=6, id2label={0: "real", 1: "fake"}, **small)
    save_model("six", VideoMAEForVideoClassification(config))
    message = (
        "params.yaml: video.detectors.mae takes clips of 6 frames, but the data set moving has 4; write frames: 6 there"
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        study_of({}, {"mae": {"architecture": "hub:six", "input_size": 32}})


def test_a_hub_model_may_be_trained_further(image_folder, study_of):
    training = {"epochs": 1, "batch_size": 4}
    labels = {"real": "Deepfake", "fake": "Real"}
    entry = {"architecture": "hub:image", "input_size": 32, "training": training, "labels": labels}
    found = study_of({"vit": entry})
    stages.prepare_dataset(found, "faces")
    stages.make_checkpoint(found, "faces", "vit")
    loaded = stages.load_detector(found, "faces", "vit")
    assert loaded.metadata["report"]["recipe"]["epochs"] == 1
    assert (loaded.metadata["hub"]["real"], loaded.metadata["hub"]["fake"]) == ([0], [1])
    before = hub(image_folder).state_dict()
    after = loaded.detector.detector.state_dict()
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"architecture": "hub:", "input_size": 32},
            "vit.architecture: hub: names no model; write hub:FOLDER or hub:O",
        ),
        ({"architecture": "hub:gone", "input_size": 32}, "vit: gone is not a folder here, and as a hub repository it"),
        ({"architecture": "hub:video", "input_size": 32}, "vit is for clips, but stands among what is for images; mov"),
        (
            {"architecture": "resnet", "input_size": 32, "training": {}, "labels": {"real": "a", "fake": "b"}},
            "vit: labels is for given weights and for hub: alone; leave it out",
        ),
        (
            {"architecture": "hub:image", "input_size": 32, "labels": {"real": "a", "fake": "Real"}},
            "vit: image has no label a; its labels are Deepfake, Real",
        ),
        (
            {"architecture": "hub:image", "input_size": 32, "training": {}, "weights": "a", "sha256": "b"},
            "vit.weights: a is not a file; give the path of a .safetensors, .pth or .h5",
        ),
    ],
)
def test_what_a_study_may_not_say_of_a_hub_model(image_folder, video_folder, study_of, entry, message):
    with pytest.raises(InputError, match="^" + re.escape(f"params.yaml: detectors.{message}")):
        study_of({"vit": entry})
