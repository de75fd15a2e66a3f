"""What a code host and a container run is what the README says, and nothing that setting up needs is left out."""

import fnmatch
import re
import subprocess
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CONTAINER = (REPOSITORY / "Containerfile").read_text()
JOBS = yaml.safe_load((REPOSITORY / ".github/workflows/book.yml").read_text())["jobs"]


def steps(job: str, key: str) -> list[str]:
    return [step[key] for step in JOBS[job]["steps"] if key in step]


def test_the_hosted_gate_is_the_gate_and_the_book_waits_for_it():
    assert steps("gate", "run") == ["bash .ci/run"]
    assert JOBS["publish"]["needs"] == "gate"
    assert steps("publish", "run")[-1] == "make"


def test_the_published_book_names_its_addresses(tmp_path):
    cited, (address, _) = tmp_path / "CITATION.cff", steps("publish", "run")
    cited.write_text((REPOSITORY / "CITATION.cff").read_text())
    given = {"BOOK": "https://owner.example/book", "CODE": "https://code.example/owner/book"}
    subprocess.run(["bash", "-ec", address], cwd=tmp_path, env=given, check=True)
    about = yaml.safe_load(cited.read_text())
    assert (about["url"], about["repository-code"]) == (given["BOOK"], given["CODE"])


def test_the_readme_leads_to_the_published_book():
    environment = JOBS["publish"]["environment"]["name"]
    assert f"](../../deployments/{environment})" in (REPOSITORY / "README.md").read_text()


def test_what_is_published_is_the_book_that_make_names():
    (upload,) = (step for step in JOBS["publish"]["steps"] if "upload-pages" in step.get("uses", ""))
    assert f"{upload['with']['path']}/index.html" in (REPOSITORY / "rrlib/commands/check.py").read_text()


def test_the_container_has_a_python_of_the_lock_and_sets_up_as_the_readme_does():
    versions = re.search(r'^VERSIONS="(.*?)"', (REPOSITORY / "tools/venv.sh").read_text(), re.MULTILINE)[1].split()
    assert re.search(r"^FROM docker\.io/library/python:(3\.\d+)-slim$", CONTAINER, re.MULTILINE)[1] in versions
    assert re.search(r"^RUN make setup$", CONTAINER, re.MULTILINE)
    assert re.search(r'^CMD \["make"\]$', CONTAINER, re.MULTILINE)


def test_the_container_gets_every_file_of_the_repository():
    ignored = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        parents = [name, *map(str, Path(name).parents)]
        assert not any(fnmatch.fnmatch(each, line.removeprefix("**/")) for each in parents for line in ignored), name


def test_every_command_of_the_makefile_is_in_its_help():
    makefile = (REPOSITORY / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split()) - {"all"}
    shown = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^make (\w+) +\S", shown, re.MULTILINE)) == phony
