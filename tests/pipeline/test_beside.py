"""A second study in the same clone takes over what the first has made of the same inputs, and takes nothing away."""

import pytest
import yaml
from small import FEW, hashes, run, stages_run, table

pytestmark = pytest.mark.slow


MADE = ("dvc.lock", "outputs/tables/**/*.parquet", "outputs/results/*.parquet", "outputs/book/*.html")


@pytest.fixture(scope="module")
def before(study):
    return [hashes(study, pattern) for pattern in MADE]


@pytest.fixture(scope="module")
def beside(study, before):
    """The first study's detectors at one more ε, in the second study's folder."""
    other = FEW | {"epsilons": [0, 0.01, 0.05, 0.2], "video": {"datasets": {}, "detectors": {}, "attacks": {}}}
    (study / "params.other.yaml").write_text(yaml.safe_dump(other))
    checked = run("python", "-m", "rrlib", "check", "--study", "params.other.yaml", folder=study)
    assert checked.returncode == 0, checked.stderr
    return study / "studies/other"


def test_dvc_takes_over_what_is_the_same_and_runs_the_rest(beside):
    done = run("dvc", "repro", "measure@synthetic-resnet", folder=beside)
    assert done.returncode == 0, done.stderr
    assert stages_run(done.stdout) == {"fetch", "measure@synthetic-resnet"}
    assert "Stage 'checkpoint@synthetic-resnet' is cached - skipping run" in done.stdout


def test_the_second_study_has_its_own_table_with_the_numbers_of_the_first(study, beside):
    first, second = (table(folder, "synthetic", "resnet", "pgd") for folder in (study, beside))
    assert sorted(second["epsilon"].unique()) == [0, 0.01, 0.05, 0.2]
    both = second[second["epsilon"] != 0.05].reset_index(drop=True)
    columns = ["sample", "epsilon", "p_attacked", "shift"]
    assert both[columns].equals(first[columns])


def test_the_first_study_is_as_it_was(study, before, beside):
    assert [hashes(study, pattern) for pattern in MADE] == before
    again = run("dvc", "repro", folder=study)
    assert stages_run(again.stdout) == set()
