"""The ways to install agree, and what is taken as given is what data.dvc pins."""

import hashlib
import re
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


TORCH = re.compile(r"torch|triton|nvidia-.+|cuda-.+")  # builds differ from index to index, and so do their hashes


def entries() -> list[str]:
    """The pins of the lock, each with the lines of its hashes."""
    return re.findall(r"^[^ #\n].*(?:\n .*)*", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE)


def locked() -> dict[str, str]:
    pins = [re.match(r"([a-z0-9.-]+)==([^ ;]+)", entry) for entry in entries()]
    assert all(pins), "every entry of the lock pins a version"
    return dict(pin.groups() for pin in pins)


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def asked_for() -> list[str]:
    lines = (REPOSITORY / "requirements.in").read_text().splitlines()
    return [re.match(r"[A-Za-z0-9_.-]+", line).group() for line in lines if line and not line.startswith("#")]


def test_the_lock_pins_everything_that_is_asked_for():
    assert set(asked_for()) <= set(locked())
    assert "torchvision" not in locked()


def test_every_pin_but_torchs_builds_has_a_hash():
    for entry in entries():
        assert TORCH.fullmatch(entry.partition("==")[0]) or "--hash=sha256:" in entry


def test_the_lock_serves_every_python_that_the_project_names():
    named = re.findall(r":: (3\.\d+)", " ".join(project()["classifiers"]))
    setup = (REPOSITORY / "tools/venv.sh").read_text()
    assert re.search(r'^VERSIONS="(.*?)"', setup, re.MULTILINE)[1].split() == named[::-1]
    wheels = (REPOSITORY / "tools/wheels.py").read_text()
    assert re.findall(r'"(3\.\d+)"', re.search(r"^PYTHONS = .*", wheels, re.MULTILINE)[0]) == named
    assert project()["requires-python"] == f">={named[0]}"
    assert f"--python-version {named[0]} " in (REPOSITORY / "Makefile").read_text()


def test_the_page_of_dependencies_shows_what_is_asked_for_as_locked():
    page = (REPOSITORY / "book/dependencies.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9.-]+) \| (\d\S*) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [(name, version) for name, version, _, _ in rows] == [(name, locked()[name]) for name in asked_for()]
    lines = (REPOSITORY / "requirements.in").read_text()
    assert all(licence != "not stated" and f"# {why}\n" in lines for _, _, licence, why in rows)


def test_what_a_message_tells_to_install_is_what_the_project_asks_for():
    told = [
        text
        for path in (REPOSITORY / "rrlib").rglob("*.py")
        for text in re.findall(r"`pip install ([^`]+)`", path.read_text())
    ]
    extras = {requirement for extra in project()["optional-dependencies"].values() for requirement in extra}
    pinned = {f"--no-deps {line.split()[0]}" for line in (REPOSITORY / "requirements.in").read_text().splitlines()}
    assert told
    assert {text.strip("'") for text in told} <= extras | pinned
    assert not [path for path in (REPOSITORY / "rrlib").rglob("*.py") if "rrlib[" in path.read_text()], "a stranger's"


def test_conda_users_get_the_versions_of_the_lock():
    text = (REPOSITORY / "environment.yml").read_text()
    conda = dict(
        entry.split("=") for entry in yaml.safe_load(text)["dependencies"] if "=" in entry and "python=" not in entry
    )
    conda["torch"] = conda.pop("pytorch")
    pip = dict(re.findall(r"(\S+)==(\S+)", text))
    assert (conda | pip).items() <= locked().items()
    assert set(asked_for()) - {"uv"} <= set(conda | pip)


def test_what_is_taken_as_given_is_what_data_dvc_pins():
    for out in yaml.safe_load((REPOSITORY / "data.dvc").read_text())["outs"]:
        content = (REPOSITORY / out["path"]).read_bytes()
        assert hashlib.md5(content).hexdigest() == out["md5"], f"{out['path']} changed; `dvc commit data.dvc` if meant"


def test_the_readme_quotes_the_recorded_finding():
    finding = (REPOSITORY / "data/finding.md").read_text(encoding="utf-8").strip().strip("*")
    assert f"\n> {finding}\n" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_notebooks_carry_no_outputs():
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        for cell in yaml.safe_load(path.read_text())["cells"]:
            assert not cell.get("outputs"), path.name
            assert not cell.get("execution_count"), path.name
