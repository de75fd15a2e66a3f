"""params.yaml: what a study may say, and the sentence for everything that it may not."""

import copy
import math
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settings import SETTINGS

from rrlib import entries, study
from rrlib.attacks.frames import TouchedFrames
from rrlib.attacks.rules import PGD, Noise
from rrlib.errors import InputError
from rrlib.evaluation import Cell
from rrlib.evaluation.adversarial import Madry
from rrlib.evaluation.training import Recipe
from rrlib.study import params, paths

REPOSITORY = Path(__file__).resolve().parents[2]
WEIGHTS = "published.safetensors"  # a file that is there; a study asks for no more
SHA256 = "0" * 64
SOUND = {
    **SETTINGS,
    "epsilons": [0, 0.01, 0.1],
    "tolerances": [0.1, 0.5],
    "highlight": {"epsilon": 0.01, "tolerance": 0.1, "attack": "pgd"},
    "sources": {},
    "datasets": {
        "faces": {"kind": "folder", "source": "images", "seed": 0},
        "drawn": {"kind": "synthetic", "seed": 0, "size": 32, "strength": 0.5, "images": {"test": 4}},
    },
    "detectors": {
        "meso": {
            "architecture": "meso4",
            "input_size": 32,
            "training": {"epochs": 2, "adversarial": {"method": "madry", "epsilon": 0.01, "steps": 2}},
        },
        "ready": {"architecture": "resnet", "input_size": 32, "seed": 1, "weights": WEIGHTS, "sha256": SHA256},
    },
    "attacks": {"noise": {"rule": "noise"}, "pgd": {"rule": "pgd", "steps": 3}},
    "video": {
        "datasets": {"moving": {"kind": "clips", "source": "videos", "seed": 0, "frames": 4}},
        "detectors": {"gru": {"architecture": "cnn-gru", "input_size": 32, "training": {"epochs": 1}}},
        "attacks": {"pgd": {"rule": "pgd", "frames": 2}},
    },
}
ABSENT = object()


@pytest.fixture(autouse=True)
def in_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/catalogue.yaml").symlink_to(REPOSITORY / "data/catalogue.yaml")
    Path(WEIGHTS).touch()


def changed(place: str, value: object) -> dict:
    """SOUND with one entry, named as `detectors.meso.training`, set to another value or taken out."""
    given = copy.deepcopy(SOUND)
    *parents, last = place.split(".")
    inside = given
    for key in parents:
        inside = inside[key]
    if value is ABSENT:
        del inside[last]
    else:
        inside[last] = value
    return given


def load(given: object) -> study.Study:
    study.PARAMS.write_text(yaml.safe_dump(given, sort_keys=False))
    return study.load()


def test_the_study_that_is_distributed_loads():
    """As git has it: the file itself is its user's to change, and `check` reads it."""
    given = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=REPOSITORY, capture_output=True)
    if given.returncode:
        pytest.skip("no git repository")
    study.PARAMS.write_bytes(given.stdout)
    found = study.load()
    for half in (found.image, found.video):
        assert len(half.cells()) == len(half.pairs()) * len(half.attacks) > 0
    assert found.epsilons[0] == 0
    assert found.highlight.tolerance in found.tolerances


def written(datasets: dict) -> dict:
    return {name: dataset.to_dict() for name, dataset in datasets.items()}


def test_a_study_says_what_its_file_says():
    found = load(SOUND)
    assert (found.seed, found.device, found.batch_size, found.distance) == (0, "cpu", 4, "linf")
    assert (found.epsilons, found.tolerances) == ((0, 0.01, 0.1), (0.1, 0.5))
    assert found.highlight == study.Highlight(epsilon=0.01, tolerance=0.1, attack="pgd")
    assert written(found.image.datasets) == SOUND["datasets"]
    assert found.image.detectors == {
        "meso": study.Detector("meso4", 32, 0, Recipe(epochs=2, adversarial=Madry(0.01, 2)), None, None),
        "ready": study.Detector("resnet", 32, 1, None, Path(WEIGHTS), SHA256),
    }
    assert found.image.attacks == {"noise": Noise(), "pgd": PGD(steps=3)}
    assert found.video.attacks == {"pgd": TouchedFrames(PGD(), 2)}
    assert found.half("moving") is found.video
    assert found.half("faces") is found.image
    assert written(found.datasets) == SOUND["datasets"] | SOUND["video"]["datasets"]


@pytest.mark.parametrize("layout", ["celeb-df", {"name": "faceforensics", "compression": "c23", "splits": "lists"}])
def test_clips_may_be_laid_out_as_a_published_data_set(layout):
    found = load(changed("video.datasets.moving.layout", layout))
    assert found.video.datasets["moving"].to_dict() == SOUND["video"]["datasets"]["moving"] | {"layout": layout}


def test_cells_and_pairs_keep_the_order_of_the_file():
    found = load(SOUND)
    assert found.cells()[:3] == [
        Cell("faces", "meso", "noise"),
        Cell("faces", "meso", "pgd"),
        Cell("faces", "ready", "noise"),
    ]
    assert found.cells()[-1] == Cell("moving", "gru", "pgd")
    assert found.image.pairs() == [("faces", "meso"), ("faces", "ready"), ("drawn", "meso"), ("drawn", "ready")]
    assert found.pairs() == [*found.image.pairs(), ("moving", "gru")]


def test_a_half_may_be_empty_but_not_both():
    empty = {"datasets": {}, "detectors": {}, "attacks": {}}
    assert load(SOUND | {"video": empty}).video.cells() == []
    assert load(SOUND | empty).cells() == [Cell("moving", "gru", "pgd")]
    message = "params.yaml: there is no data set with a detector and an attack; name at least one of each"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        load(SOUND | empty | {"video": empty})


def test_every_product_has_its_own_place_under_outputs():
    assert paths.dataset_folder("faces") == Path("outputs/datasets/faces")
    assert paths.checkpoint_path("faces", "meso") == Path("outputs/checkpoints/faces/meso.safetensors")
    assert paths.table_path(Cell("faces", "meso", "pgd")) == Path("outputs/tables/faces/meso/pgd.parquet")


FRAMES = {"kind": "frames", "source": "videos", "seed": 0, "frames": 1}


def test_a_data_set_of_frames_belongs_to_the_images_and_has_its_videos_beside_it():
    found = load(changed("datasets.talks", FRAMES))
    assert found.half("talks") is found.image
    assert found.of_frames == ["talks"]
    assert load(SOUND).of_frames == []


@pytest.mark.parametrize("place", ["datasets.talks-videos", "video.datasets.talks-videos"])
def test_no_data_set_may_be_called_what_the_videos_of_another_are(place):
    given = changed(
        place, SOUND["datasets"]["faces"] if place.startswith("d") else SOUND["video"]["datasets"]["moving"]
    )
    load(given)
    given["datasets"]["talks"] = FRAMES
    message = "params.yaml: talks-videos is what the videos of talks are called; rename one"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(given)


def test_frames_are_no_clips():
    message = (
        "params.yaml: video.datasets.talks is for images, but stands among what is for clips; move it out of video"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(changed("video.datasets.talks", FRAMES))


def test_an_exponent_needs_no_decimal_point():
    study.PARAMS.write_text(yaml.safe_dump(SOUND).replace("- 0.01", "- 1e-2"))
    assert study.load().epsilons == (0, 0.01, 0.1)


ARCHITECTURES = (
    "choose from meso4, mesoinception4, meso4-deepfakebench, mesoinception4-deepfakebench, resnet, xception, "
    "efficientnet-lite0-stage5, efficientnet-b4, vit-b16, frame-mean-meso4, frame-mean-resnet, cnn-gru, resnet3d, "
    "frame-mean-NAME, frame-median-NAME, frame-top3-NAME, hub:FOLDER, hub:OWNER/NAME@REVISION, python:MODULE:FACTORY"
)
RECIPE = "choose from epochs, batch_size, learning_rate, weight_decay, adversarial"
TOP = (
    "seed, device, batch_size, workers, fold, compiled, retrain, distance, epsilons, tolerances, highlight, sources, "
    "video, damage, threshold, datasets, detectors, attacks"
)
WHOLE = f"it is a whole number from {{}} to {2**31 - 1}"
OFTEN = "1000000 is the most"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        # names that are not known
        ("detectors.meso.architecture", "meso5", f"detectors.meso.architecture: meso5 is not known; {ARCHITECTURES}"),
        ("datasets.faces.kind", "zip", "datasets.faces.kind.zip is not known; choose from synthetic, folder"),
        (
            "attacks.pgd.rule",
            "pdg",
            "attacks.pgd: attack pdg is not known; "
            "choose from noise, fgsm, pgd, cw, cw_l2, shift, square, torchattacks:NAME",
        ),
        ("device", "tpu", "device: tpu is not known; choose from auto, cpu, cuda, mps"),
        ("distance", "kl", "distance: kl is not known; choose from linf, tv, l2, js"),
        # epsilons and tolerances
        ("epsilons", [0, 1.5], "epsilons: 1.5 is given; epsilon is a number of pixel units in [0, 1]"),
        ("epsilons", [-0.1], "epsilons: -0.1 is given; epsilon is a number of pixel units in [0, 1]"),
        ("epsilons", [0, "a"], "epsilons: 'a' is given; epsilon is a number of pixel units in [0, 1]"),
        ("epsilons", [0, None], "epsilons: None is given; epsilon is a number of pixel units in [0, 1]"),
        ("epsilons", [0.1, 0.01], "epsilons: 0.01 follows 0.1; list them in increasing order"),
        ("epsilons", [0, 0.01, 0.01], "epsilons: 0.01 follows 0.01; list them in increasing order"),
        ("epsilons", [], "epsilons: [] is given; list at least one number in [0, 1]"),
        ("epsilons", 0.1, "epsilons: 0.1 is given; list at least one number in [0, 1]"),
        ("tolerances", [-0.1], "tolerances: -0.1 is given; a tolerance is a finite number ≥ 0"),
        ("tolerances", [math.inf], "tolerances: inf is given; a tolerance is a finite number ≥ 0"),
        ("tolerances", ["a"], "tolerances: 'a' is given; a tolerance is a finite number ≥ 0"),
        ("tolerances", [0.2, 0.1], "tolerances: [0.2, 0.1] is given; list each once, in increasing order"),
        ("tolerances", [], "tolerances: [] is given; list at least one number ≥ 0"),
        # what figures single out
        ("highlight.epsilon", 0.02, "highlight.epsilon: 0.02 is not known; choose from 0, 0.01, 0.1"),
        ("highlight.epsilon", 2, "highlight.epsilon: 2 is given; epsilon is a number of pixel units in [0, 1]"),
        ("highlight.tolerance", -1, "highlight.tolerance: -1 is given; a tolerance is a finite number ≥ 0"),
        ("highlight.attack", "cw", "highlight.attack: cw is not known; choose from noise, pgd"),
        # layouts
        (
            "video.datasets.moving.layout",
            "ffpp",
            "video.datasets.moving.layout.ffpp is not known; choose from faceforensics, celeb-df, dfdc",
        ),
        ("threshold", "equal", "threshold is 'equal'; it is a number in [0, 1], eer, or {fpr: a number in [0, 1]}"),
        ("threshold", {"tpr": 0.9}, "threshold is {'tpr': 0.9}; it is a number in [0, 1], eer, or"),
        ("threshold", {"fpr": 5}, "threshold is {'fpr': 5}; it is a number in [0, 1], eer, or"),
        # training or weights
        (
            "detectors.meso.training",
            ABSENT,
            "detectors.meso: give training (how to train it), weights (a file with its sha256), or both, to train on",
        ),
        (
            "detectors.meso.calibrate",
            False,
            "detectors.meso: calibrate is for weights that are given; what is trained is calibrated, so leave it out",
        ),
        ("detectors.ready.calibrate", "no", "detectors.ready.calibrate: no is not known; choose from True, False"),
        (
            "detectors.ready.precision",
            "half",
            "detectors.ready.precision: half is not known; choose from single, double",
        ),
        (
            "detectors.ready.sha256",
            ABSENT,
            "detectors.ready: weights and sha256 go together; `sha256sum FILE` prints what to write",
        ),
        (
            "detectors.meso.sha256",
            SHA256,
            "detectors.meso: weights and sha256 go together; `sha256sum FILE` prints what to write",
        ),
        (
            "detectors.ready.sha256",
            "abc",
            "detectors.ready.sha256 is 'abc'; `sha256sum published.safetensors` prints what to write",
        ),
        (
            "detectors.ready.weights",
            "gone.h5",
            "detectors.ready.weights: gone.h5 is not a file; give the path of a .safetensors, .pth or .h5",
        ),
        (
            "detectors.ready.weights",
            None,
            "detectors.ready.weights: None is not a file; give the path of a .safetensors, .pth or .h5",
        ),
        # sizes, seeds and recipes
        (
            "detectors.meso.input_size",
            48,
            "detectors.meso: Meso4 cannot be built for input_size 48; choose a positive multiple of 32",
        ),
        ("detectors.meso.input_size", "64", "detectors.meso.input_size is '64'; it is a whole number from 1 to 16384"),
        ("detectors.ready.seed", -1, f"detectors.ready.seed is -1; {WHOLE.format(0)}"),
        ("seed", 2**31, f"seed is {2**31}; {WHOLE.format(0)}"),
        ("seed", True, f"seed is True; {WHOLE.format(0)}"),
        ("batch_size", 0, "batch_size is 0; it is a whole number from 1 to 1000000"),
        ("batch_size", "128", "batch_size is '128'; it is a whole number from 1 to 1000000"),
        ("datasets.faces.seed", "a", f"datasets.faces.seed is 'a'; {WHOLE.format(0)}"),
        ("datasets.faces.source", None, "datasets.faces.source is None; give the path of a folder or CSV file"),
        # numbers that no machine could do anything with
        ("workers", 1_000_000, "workers is 1000000; it is a whole number from 0 to 256"),
        ("batch_size", 10**30, f"batch_size is {10**30}; it is a whole number from 1 to 1000000"),
        (
            "detectors.meso.input_size",
            10**6,
            "detectors.meso.input_size is 1000000; it is a whole number from 1 to 16384",
        ),
        ("detectors.meso.training.epochs", 1e30, "detectors.meso: training.epochs is 1e+30; it is a whole number ≥ 1"),
        ("detectors.meso.training.epochs", 10**30, f"detectors.meso.training.epochs is 1e+30; {OFTEN}"),
        ("detectors.meso.training.batch_size", 2**40, f"detectors.meso.training.batch_size is 1.1e+12; {OFTEN}"),
        (
            "detectors.meso.training.adversarial.steps",
            10**9,
            f"detectors.meso.training.adversarial.steps is 1e+09; {OFTEN}",
        ),
        ("attacks.pgd.steps", 10**9, f"attacks.pgd.steps is 1e+09; {OFTEN}"),
        ("attacks.pgd.restarts", 10**30, f"attacks.pgd.restarts is 1e+30; {OFTEN}"),
        (
            "datasets.drawn.images",
            {"test": 10**12},
            f"datasets.drawn.images.test is 1e+12; {2**31 - 1} is the most",
        ),
        ("detectors.meso.training.epochs", 0, "detectors.meso: training.epochs is 0; it is a whole number ≥ 1"),
        (
            "detectors.meso.training.learning_rate",
            "fast",
            "detectors.meso: training.learning_rate is 'fast'; it is a finite number > 0",
        ),
        (
            "detectors.meso.training.adversarial.epsilon",
            2,
            "detectors.meso.training.adversarial: epsilon: 2 is given; epsilon is a number of pixel units in [0, 1]",
        ),
        (
            "detectors.meso.training.adversarial.steps",
            0,
            "detectors.meso.training.adversarial: steps is 0; it is a whole number ≥ 1",
        ),
        (
            "detectors.meso.training.adversarial.epsilon",
            ABSENT,
            "detectors.meso.training.adversarial lacks epsilon; add it (required: method, epsilon)",
        ),
        (
            "detectors.meso.training.adversarial",
            {"epsilon": 0.01},
            "detectors.meso.training.adversarial holds {'epsilon': 0.01}; "
            "give its method, madry or trades, and that method's options",
        ),
        (
            "detectors.meso.training.adversarial",
            {"method": "trades", "epsilon": 0.01},
            "detectors.meso.training.adversarial lacks beta; add it (required: method, epsilon, beta)",
        ),
        (
            "detectors.meso.training.adversarial",
            {"method": "trades", "epsilon": 0.01, "beta": -1},
            "detectors.meso.training.adversarial: beta is -1; it is a finite number ≥ 0; 1 to 6 are usual",
        ),
        (
            "detectors.meso.training.adversarial.method",
            "free",
            "detectors.meso.training.adversarial.method: free is not known; choose from madry, trades",
        ),
        ("attacks.pgd.steps", 0, "attacks.pgd: steps is 0; it is a whole number ≥ 1"),
        # keys that are not known, at every level
        ("epsilon", [0], f"epsilon is not a known key; choose from {TOP}"),
        ("highlight.tau", 0, "highlight: tau is not a known key; choose from epsilon, tolerance, attack"),
        (
            "datasets.faces.sead",
            0,
            "datasets.faces has the options sead, seed, source; "
            "the kind folder takes fold, group, layout, on_error, seed, so",
        ),
        (
            "detectors.meso.size",
            32,
            "detectors.meso: size is not a known key; "
            "choose from architecture, input_size, seed, training, weights, sha256, labels, calibrate, precision",
        ),
        ("detectors.meso.training.epoch", 1, f"detectors.meso.training: epoch is not a known key; {RECIPE}"),
        (
            "detectors.meso.training.adversarial.eps",
            0.1,
            "detectors.meso.training.adversarial: eps is not a known key; choose from method, epsilon, steps",
        ),
        (
            "detectors.meso.training.adversarial.beta",
            1,
            "detectors.meso.training.adversarial: beta is not a known key; choose from method, epsilon, steps",
        ),
        (
            "attacks.pgd.stepz",
            3,
            "attacks.pgd: pgd has no option stepz; its options are steps, random_start, restarts, one_batch, frames",
        ),
        ("highlight.budget", 1, "highlight.budget is 1; it is a number between 0 and 1"),
        ("highlight.confidence", 0.5, "highlight.confidence is 0.5; it is a number between 0.5 and 1"),
        # keys that are missing
        (
            "attacks",
            ABSENT,
            "lacks attacks; add it, or give the study a file of another name, which may leave it out, ",
        ),
        ("highlight.attack", ABSENT, "highlight lacks attack; add it (required: epsilon, tolerance, attack)"),
        ("detectors.meso.input_size", ABSENT, "detectors.meso lacks input_size; add it (required: architecture,"),
        (
            "datasets.faces.source",
            ABSENT,
            "datasets.faces has the options seed; the kind folder takes fold, group, layout, on_error, seed, source, "
            "train",
        ),
        # other things where mappings are needed
        ("highlight", [1], "highlight holds [1]; it holds the keys epsilon, tolerance, attack, budget, confidence"),
        ("datasets", [], "datasets holds []; give entries by name, or {} for none"),
        ("attacks", None, "attacks holds None; give entries by name, or {} for none"),
        (
            "datasets.faces",
            None,
            "datasets.faces holds None; give its kind, one of synthetic, folder, clips, frames, synthetic-clips, "
            "and options",
        ),
        (
            "detectors.meso",
            "meso4",
            "detectors.meso holds 'meso4'; it holds the keys architecture, input_size, seed, training, weights, "
            "sha256, labels, calibrate, precision",
        ),
        ("detectors.meso.training", None, "detectors.meso.training holds None; it holds the keys epochs,"),
        ("attacks.pgd", "pgd", "attacks.pgd holds 'pgd'; give its rule, such as pgd, and that rule's options"),
    ],
)
def test_what_a_study_may_not_say_is_answered_in_one_sentence(place, value, message):
    separator = " " if place == "attacks" and value is ABSENT else ": "
    with pytest.raises(InputError, match="^" + re.escape(f"params.yaml{separator}{message}")) as caught:
        load(changed(place, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["datasets", "detectors", "attacks"])
@pytest.mark.parametrize("name", ["a/b", "a.b", "", "-a", "a b", "..", "ä"])
def test_a_name_is_one_that_files_and_stages_can_bear(kind, name):
    given = copy.deepcopy(SOUND)
    given[kind][name] = next(iter(given[kind].values()))
    message = f"params.yaml: {kind}: the name {name!r} is not allowed; use letters, digits, - and _"
    with pytest.raises(InputError, match=re.escape(message)):
        load(given)


LONG = "a" * 300


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("detectors.meso", {"architecture": f"hub:{LONG}", "input_size": 32}),
        ("detectors.meso", {"architecture": "meso4", "input_size": 32, "weights": LONG, "sha256": "0" * 64}),
    ],
)
def test_a_name_that_is_too_long_for_the_file_system_is_told_with_its_place(place, value):
    message = f"params.yaml: {place}: {LONG[:100]}… cannot be looked at (File name too long); give another path or name"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        load(changed(place, value))


def test_an_absent_file_is_named():
    message = "params.yaml is absent; run this from the repository's root, where the study lies"
    with pytest.raises(InputError, match=re.escape(message)):
        study.load()


@pytest.mark.parametrize("text", ["seed: [0", "a: b: c", "\tseed: 0", "seed: 2024-13-45", "a: !!python/name:os.system"])
def test_what_is_not_yaml_is_answered_in_one_sentence(text):
    study.PARAMS.write_text(text)
    with pytest.raises(InputError, match=r"^params\.yaml is not valid YAML \([^\n]+\); correct it$"):
        study.load()


def test_a_file_in_another_encoding_is_refused():
    study.PARAMS.write_bytes("seed: 0 # ε".encode("utf-16"))
    with pytest.raises(InputError, match=r"^params\.yaml is not valid YAML \("):
        study.load()


@pytest.mark.parametrize("text", ["", "[]", "seed", "0"])
def test_a_file_without_keys_is_refused(text):
    study.PARAMS.write_text(text)
    with pytest.raises(InputError, match=re.escape(f"; it holds the keys {TOP}")):
        study.load()


def inner(inside: object, path: str = "") -> Iterator[str]:
    """Every subtree and leaf of SOUND that is below a mapping."""
    if isinstance(inside, dict):
        for key, value in inside.items():
            yield f"{path}{key}"
            yield from inner(value, f"{path}{key}.")


def answer(given: dict) -> str:
    """What `load` says about a study that it does not take."""
    try:
        load(given)
    except InputError as error:
        return str(error)
    return ""


LEAVES = st.one_of(
    st.sampled_from([None, True, "", "a", -1, 0, 10**30, 1e300, math.nan, math.inf]), st.floats(), st.integers(-9, 9)
)
NO_TEXT = re.compile(r"params\.yaml: line \d+: the key (1|null) is no text; write it in quotes$")
KEYS = st.sampled_from(["a", "name", "kind", "rule", "epsilon", 1, None])
VALUES = st.one_of(LEAVES, st.lists(LEAVES, max_size=2), st.dictionaries(KEYS, LEAVES, max_size=2))
FUZZ = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(place=st.sampled_from(list(inner(SOUND))), value=VALUES)
def test_any_other_value_anywhere_is_taken_or_answered_with_its_place(place, value):
    said = answer(changed(place, value))
    assert not said or (said.startswith("params.yaml: ") and (place.split(".")[0] in said or NO_TEXT.match(said)))


@FUZZ
@given(
    rule=st.sampled_from(["noise", "fgsm", "pgd", "cw", "cw_l2", "shift", "torchattacks:PGD", "torchattacks:CW"]),
    option=st.sampled_from(
        ["steps", "random_start", "restarts", "confidence", "initial_c", "alpha", "eps", "name", "self", 1]
    ),
    value=VALUES,
)
def test_any_option_of_an_attack_is_taken_or_answered_with_its_place(rule, option, value):
    said = answer(changed("attacks.pgd", {"rule": rule, option: value}))
    assert (
        not said or said.startswith(("params.yaml: attacks.pgd: ", "params.yaml: attacks.pgd.")) or NO_TEXT.match(said)
    )


HASH = "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5"
SOURCES = {"meso4-df": {}, "hub-vit-prithiv": {}, "deepfakebench-xception": {}}


def fetched(weights: str, **changes: object) -> dict:
    """SOUND with sources that were not fetched yet, and three detectors that wait for them."""
    waiting = {
        "published": {"architecture": "meso4", "input_size": 256, "weights": weights, "sha256": HASH},
        "hub": {"architecture": "hub:outputs/sources/hub-vit-prithiv", "input_size": 224},
        "xception": {
            "architecture": "xception",
            "input_size": 256,
            "weights": "outputs/sources/deepfakebench-xception/xception_best.pth",
            "sha256": None,
        },
    }
    return SOUND | {"sources": SOURCES, "detectors": waiting} | changes


def test_what_a_source_will_bring_need_not_be_there():
    found = load(fetched("outputs/sources/meso4-df/Meso4_DF.h5"))
    assert list(found.sources) == list(SOURCES)
    assert found.sources["meso4-df"].title == "Meso4, trained on deepfakes"
    assert params.model_awaited(found.detectors["hub"].architecture, found.sources.values()).name == "hub-vit-prithiv"
    assert load(SOUND).sources == {}


def test_what_no_source_will_bring_is_missed_at_once():
    wrong = "outputs/sources/meso4-df/Meso4.h5"
    with pytest.raises(InputError, match=re.escape(f"detectors.published.weights: {wrong} is not a file; give the")):
        load(fetched(wrong))
    with pytest.raises(InputError, match=r"published\.weights: outputs/sources/meso4-df/Meso4_DF\.h5 is not"):
        load(fetched("outputs/sources/meso4-df/Meso4_DF.h5", sources={}))
    sources = {name: {} for name in SOURCES if name != "hub-vit-prithiv"}
    with pytest.raises(InputError, match=r"detectors\.hub: outputs/sources/hub-vit-prithiv is not a folder here"):
        load(fetched("outputs/sources/meso4-df/Meso4_DF.h5", sources=sources))


def test_a_model_that_is_not_there_yet_stands_among_its_kind():
    video = SOUND["video"] | {
        "detectors": {"vit": {"architecture": "hub:outputs/sources/hub-vit-prithiv", "input_size": 224}}
    }
    message = "params.yaml: video.detectors.vit is for images, but stands among what is for clips; move it out of video"
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        load(SOUND | {"sources": {"hub-vit-prithiv": {}}, "video": video})


def test_a_hash_may_be_empty_only_while_its_file_is_awaited():
    weights = Path("outputs/sources/deepfakebench-xception/xception_best.pth")
    weights.parent.mkdir(parents=True)
    weights.touch()
    with pytest.raises(InputError, match=re.escape(f"xception.sha256 is None; `sha256sum {weights}` prints what to")):
        load(fetched("outputs/sources/meso4-df/Meso4_DF.h5"))


def test_an_unknown_source_lists_all_names():
    message = "params.yaml: sources.meso5 is not known; choose from faceforensics-c23, "
    with pytest.raises(InputError, match="^" + re.escape(message)) as caught:
        load(SOUND | {"sources": {"meso5": {}}})
    assert "hub-videomae-muneeb1812" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 0\nno: 1\n", "line 2: the key no is no text; write it in quotes"),
        ("datasets:\n  2024: {}\n", "line 2: the key 2024 is no text; write it in quotes"),
        ("datasets:\n  007: {}\n", "line 2: the key 007 is no text; write it in quotes"),
        ("datasets:\n  null: {}\n", "line 2: the key null is no text; write it in quotes"),
        ("seed: 0\nseed: 1\n", "line 2: the key seed is given twice; keep one of the two"),
        ("datasets: {a: {}, a: {}}\n", "line 1: the key a is given twice; keep one of the two"),
    ],
)
def test_keys_that_dvc_would_read_otherwise_are_refused_with_their_line(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="^" + re.escape(f"{path}: {message}") + "$"):
        study.load(path)


@pytest.mark.parametrize("name", ["x; touch y #", "$(touch y)", "a'b", "../up", "-flag", "", "a" * 65, "a\nb"])
def test_a_name_that_could_reach_a_shell_or_a_path_is_refused(name):
    message = f"params.yaml: detectors: the name {name!r} is not allowed; use letters, digits, - and _, 64 at most"
    assert answer(SOUND | {"detectors": {name: SOUND["detectors"]["meso"]}}) == message


def test_names_that_make_one_stage_of_two_are_refused():
    meso, drawn = SOUND["detectors"]["meso"], SOUND["datasets"]["drawn"]
    twice = SOUND | {"datasets": {"a": drawn, "a-b": drawn}, "detectors": {"b-c": meso, "c": meso}}
    assert answer(twice) == (
        "params.yaml: b-c on a and c on a-b are both called a-b-c where stages are named; "
        "rename one of the detectors or data sets"
    )


BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)
MERGED = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{level}: &a{level} {{k{level}: 1, <<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, ": line 5: there are 111111 values once aliases are written out; 100000 are the most"),
        (MERGED, ": line 6: there are 355551 values once aliases are written out; 100000 are the most"),
        ("a: &a [*a]", ": line 1: the value holds itself; write it out without the alias"),
        (f"a: {'[' * 30}{']' * 30}", ": line 1: values are nested 21 deep; 20 is the most"),
        (f"a: {'[' * 5000}{']' * 5000}", " is not valid YAML (it is nested too deeply); correct it"),
        (
            "a: &a [[[[[[[[[[1]]]]]]]]]]\nb: [[[[[[[[[[*a]]]]]]]]]]",
            ": line 2: values are nested 21 deep; 20 is the most",
        ),
        (f"seed: {'9' * 101}", ": line 1: a number has 101 digits; 100 are the most"),
        (f"seed: 0x{'f' * 5000}", ": line 1: a number has 5002 digits; 100 are the most"),
        (f"seed: 1{':1' * 5000}", ": line 1: a number has 10001 digits; 100 are the most"),
        ("#" * 1_000_001, " has 1000001 bytes; give a YAML file of at most 1000000"),
        ("a: !!timestamp x", " is not valid YAML ('NoneType' object has no attribute 'groupdict'); correct it"),
        ("? [a]\n: 1", ": line 1: the key that holds others is no text; write it in quotes"),
    ],
)
def test_what_would_fill_memory_or_break_the_parser_is_answered_in_one_sentence(text, message):
    study.PARAMS.write_text(text)
    with pytest.raises(InputError) as caught:
        study.load()
    assert str(caught.value) == f"params.yaml{message}"


def test_a_file_of_many_lines_with_aliases_in_bounds_is_read():
    study.PARAMS.write_text("a: &a {x: 1}\nb: {<<: *a, y: [*a, *a]}\n")
    assert entries.read(study.PARAMS) == {"a": {"x": 1}, "b": {"x": 1, "y": [{"x": 1}, {"x": 1}]}}


def test_a_study_of_more_cells_than_any_machine_could_run_is_refused(monkeypatch):
    monkeypatch.setattr(params, "MOST_CELLS", 8)
    message = "params.yaml: 9 cells are asked for; 8 are the most, so split the study"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        load(SOUND)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch):
    """Only the parser's own exceptions become sentences."""
    study.PARAMS.write_text(yaml.safe_dump(SOUND))
    monkeypatch.setattr(params, "_check_apart", lambda *_: [][0])
    with pytest.raises(IndexError):
        study.load()
