"""`make setup` takes the interpreter that serves best, says what to do where there is none, and checks hashes.

The interpreters, uv and pip of these tests are a few lines of shell: nothing is installed.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "awk", "cat", "chmod", "cp", "dirname", "env", "mkdir", "printf", "rm", "sed", "tr")
LOCK = (REPOSITORY / "requirements.lock").read_text()
TORCH = re.search(r"^torch==(\S+)", LOCK, re.MULTILINE)[1]

# says the version that it is given, and makes environments that hold itself
PYTHON = """#!/bin/sh
case "$1 $2" in
"-c "*) echo "{version} {whole}" ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") echo "pip $*" >> {log}; cat .venv/uv.txt > {log}.uv; cp {uv} .venv/bin/uv ;;
esac
"""
# writes down what it is asked for, and fails where PyTorch's index would have to be reached
UV = """#!/bin/sh
case "$1 $2" in
"--version "*) exit 0 ;;
"venv "*) echo "uv $*" >> {log}; mkdir -p .venv/bin; cp "$5" .venv/bin/python ;;
*) echo "uv $*" >> {log} ;;
esac
case "$*" in *"--torch-backend"*) exit {reached} ;; esac
"""


class Machine:
    """A project folder, a PATH, and what stands on it."""

    def __init__(self, folder: Path):
        self.project, self.path, self.log = folder / "project", [folder / "first", folder / "second"], folder / "log"
        for made in (self.project / "tools", *self.path, folder / "system"):
            made.mkdir(parents=True)
        for tool in TOOLS:
            (folder / "system" / tool).symlink_to(shutil.which(tool))
        self.system, self.spare = folder / "system", folder / "spare-uv"
        shutil.copy(REPOSITORY / "tools/venv.sh", self.project / "tools")
        (self.project / "requirements.lock").write_text(LOCK)
        self.write(self.spare, UV.format(log=self.log, reached=0))

    def write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def python(self, name: str, version: str, where: int = 0, whole: str = "whole") -> Path:
        text = PYTHON.format(version=version, whole=whole, log=self.log, uv=self.spare)
        return self.write(self.path[where] / name, text)

    def shim(self, name: str) -> Path:
        return self.write(self.path[0] / name, "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")

    def uv(self, reached: int = 0) -> Path:
        return self.write(self.path[0] / "uv", UV.format(log=self.log, reached=reached))

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        # what make puts before PATH comes first
        path = ":".join(map(str, [self.project / ".venv/bin", *self.path, self.system]))
        command = [self.system / "sh", "tools/venv.sh", *arguments]
        return subprocess.run(
            command, cwd=self.project, env={"PATH": path} | settings, capture_output=True, text=True, timeout=60
        )

    def taken(self, **settings: str) -> Path:
        done = self.run("python", **settings)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def refusal(self, **settings: str) -> str:
        done = self.run(**settings)
        assert done.returncode == 1
        assert not (self.project / ".venv").exists()
        return done.stderr

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_suitable_interpreter_is_taken(machine):
    machine.python("python3.11", "3.11")
    newest = machine.python("python3.13", "3.13", where=1)
    machine.python("python3", "3.15")
    assert machine.taken() == newest


def test_python3_is_taken_where_its_version_is_suitable(machine):
    machine.python("python3", "3.10")
    suitable = machine.python("python3", "3.12", where=1)
    assert machine.taken() == suitable


def test_a_shim_of_an_absent_version_is_passed_over(machine):
    machine.shim("python3.14")
    machine.shim("python3.13")
    behind = machine.python("python3.13", "3.13", where=1)
    machine.python("python3.12", "3.12")
    assert machine.taken() == behind


def test_one_that_cannot_make_environments_is_taken_only_with_uv(machine):
    bare = machine.python("python3.13", "3.13", whole="bare")
    whole = machine.python("python3.11", "3.11")
    assert machine.taken() == whole
    machine.uv()
    assert machine.taken() == bare


def test_one_whose_torch_lies_in_a_local_folder_comes_before_a_newer_one(machine, tmp_path):
    newer, older = machine.python("python3.13", "3.13"), machine.python("python3.12", "3.12")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "torch-1.0.0-cp312-cp312-any.whl").touch()
    assert machine.taken(PIP_FIND_LINKS=str(wheels)) == newer, "another version of torch than the lock's is no use"
    (wheels / f"torch-{TORCH}+cpu-cp312-cp312-any.whl").touch()
    assert machine.taken(PIP_FIND_LINKS=str(wheels)) == older
    assert machine.taken(UV_FIND_LINKS=f"https://example.org,file://{wheels}") == older
    assert machine.taken(PIP_FIND_LINKS=str(tmp_path / "absent")) == newer


def test_the_environment_itself_is_no_candidate(machine):
    inside = machine.python("python3.13", "3.13")
    machine.write(machine.project / ".venv/bin/python3.13", inside.read_text())
    inside.unlink()
    outside = machine.python("python3.12", "3.12")
    assert machine.taken() == outside


def test_a_named_interpreter_is_taken(machine):
    machine.python("python3.13", "3.13")
    older = machine.python("python3.11", "3.11")
    assert machine.taken(PYTHON="python3.11") == older
    assert machine.taken(PYTHON=str(older)) == older


def test_a_named_interpreter_that_will_not_do_is_refused(machine):
    old = machine.python("python3.9", "3.9")
    bare = machine.python("python3.12", "3.12", whole="bare")
    machine.shim("python3.13")
    assert machine.refusal(PYTHON=str(old)) == f"make: PYTHON={old} is Python 3.9; give one of 3.11 to 3.14\n"
    for name in ("python3.13", "/nowhere/python"):
        assert machine.refusal(PYTHON=name) == (
            f"make: PYTHON={name} does not run; give the path of a Python of 3.11 to 3.14\n"
        )
    assert "python3.12-venv" in machine.refusal(PYTHON=str(bare))


def test_where_python_comes_without_venv_the_command_that_helps_is_named(machine):
    python = machine.python("python3", "3.12", whole="bare")
    assert machine.refusal() == (
        f"make: Python 3.12 ({python}) comes without venv; run `sudo apt install python3.12-venv` (Debian, Ubuntu) "
        "or install uv\n"
    )


def test_where_no_python_is_suitable_one_sentence_says_what_was_found(machine):
    remedy = "install one or name one: make PYTHON=/path/to/python3.13\n"
    assert machine.refusal() == f"make: no Python of 3.11 to 3.14 on PATH, only none that runs; {remedy}"
    python = machine.python("python3", "3.10")
    assert machine.refusal() == f"make: no Python of 3.11 to 3.14 on PATH, only 3.10 ({python}); {remedy}"


def test_all_but_torch_is_checked_against_hashes_and_torch_comes_last(machine):
    machine.python("python3.12", "3.12")
    machine.uv()
    done = machine.run()
    assert done.returncode == 0, done.stderr
    rest, torch, rrlib = machine.calls()
    assert "--no-deps --require-hashes --requirement .venv/rest.txt" in rest
    assert torch.endswith("--torch-backend auto --constraint .venv/pins.txt torch")
    assert rrlib.endswith("--no-deps --no-build-isolation --editable .")
    pins = (machine.project / ".venv/pins.txt").read_text()
    assert f"torch=={TORCH}\n" in pins
    assert "hash" not in pins
    entries = re.findall(r"^[^ #\n].*(?:\n .*)*", (machine.project / ".venv/rest.txt").read_text(), re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries)
    left_out = {line.partition("==")[0] for line in pins.splitlines()} - {e.partition("==")[0] for e in entries}
    assert {"torch", "triton", "nvidia-cublas"} <= left_out
    assert all(re.fullmatch(r"torch|triton|(nvidia|cuda)-.+", name) for name in left_out)


def test_without_pytorchs_index_torch_comes_from_where_the_rest_comes_from(machine):
    machine.python("python3.12", "3.12")
    machine.uv(reached=1)
    assert machine.run().returncode == 0
    assert machine.calls()[2].endswith("--constraint .venv/pins.txt torch")
    assert "--torch-backend" not in machine.calls()[2]


def test_a_wheel_of_torch_in_a_local_folder_is_all_that_is_asked_for(machine, tmp_path):
    machine.python("python3.12", "3.12")
    machine.uv()
    (tmp_path / f"torch-{TORCH}-cp312-cp312-any.whl").touch()
    assert machine.run(UV_FIND_LINKS=str(tmp_path)).returncode == 0
    assert not [call for call in machine.calls() if "--torch-backend" in call]


def test_without_uv_pip_brings_it_checked(machine):
    machine.python("python3.12", "3.12")
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert "--require-hashes --requirement .venv/uv.txt" in machine.calls()[0]
    brought = (machine.log.parent / "log.uv").read_text()
    assert brought.startswith("uv==")
    assert "--hash=sha256:" in brought
    assert len(re.findall("==", brought)) == 1


def test_an_environment_that_serves_is_kept_and_one_that_does_not_is_made_anew(machine):
    machine.python("python3.12", "3.12")
    machine.uv()
    assert "setting up .venv with Python 3.12" in machine.run().stdout
    kept = machine.project / ".venv/kept"
    kept.touch()
    machine.python("python3.14", "3.14")
    assert machine.run().stdout == "bringing .venv up to date with requirements.lock ...\n"
    assert kept.exists()
    assert machine.run(PYTHON="python3.12").returncode == 0
    assert kept.exists()
    assert "with Python 3.14" in machine.run(PYTHON="python3.14").stdout
    assert not kept.exists()
    (machine.project / ".venv/bin/python").unlink()
    (machine.project / ".venv/bin/python").symlink_to("gone")
    assert "with Python 3.14" in machine.run().stdout
