"""The tutorial page, followed word for word: every block in its order, in a clone of its own."""

import re
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from small import REPOSITORY, run, table

pytestmark = pytest.mark.slow
PAGE = (REPOSITORY / "book/tutorial.md").read_text()
# what a block is stands on a line of its own before it, as directives inside a block are not read everywhere
FENCE = re.compile(
    r"(?:^(?P<caption>`[^`\n]+`|It prints[^:\n]*|Files):\n\n)?"
    r"^(?P<fence>`{3,}|~{3,})(?P<language>[^\n]*)\n(?P<body>.*?)^(?P=fence) *$",
    re.DOTALL | re.MULTILINE,
)
# All that is replaced: the environment that runs the tests stands in for the one that these two lines set up.
SET_UP = "make setup\nsource .venv/bin/activate\n"


@dataclass(frozen=True)
class Block:
    """A fenced block: the line that it begins at, its language, its caption ("" where there is none), its text."""

    line: int
    language: str
    caption: str
    text: str


def blocks(page: str) -> list[Block]:
    found = []
    for fence in FENCE.finditer(page):
        line = page.count("\n", 0, fence.start("fence")) + 1
        found.append(Block(line, fence["language"], (fence["caption"] or "").strip("`"), fence["body"]))
    return found


def follow(block: Block, folder: Path, printed: str) -> str:
    """Do what a block says in `folder`; `printed` is what the last command printed, and what comes back."""
    where = f"book/tutorial.md, line {block.line}"
    if block.language == "bash" and not block.caption:
        if block.text == SET_UP:
            return ""
        done = run("bash", "-e", "-o", "pipefail", "-c", block.text, folder=folder)
        assert done.returncode == 0, f"{where}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout
    if block.language in ("python", "yaml") and re.fullmatch(r"\w+\.(py|yaml)", block.caption):
        (folder / block.caption).write_text(block.text)
    elif block.language == "diff" and (folder / block.caption).is_file():
        edit(folder / block.caption, block.text)
    elif (block.language, block.caption) == ("text", "It prints"):
        assert bare(printed) == bare(block.text), where
    elif (block.language, block.caption) == ("text", "It prints, with your own decimals"):
        assert bare(without_decimals(printed)) == bare(without_decimals(block.text)), where
    elif (block.language, block.caption) != ("text", "Files"):
        raise AssertionError(f"{where}: this test does not know what to do with {block}")
    return printed


def edit(path: Path, difference: str) -> None:
    """The lines with − must stand in the file once; those with + take their place."""
    lines = difference.splitlines(keepends=True)
    assert {line[0] for line in lines} == {"-", "+"}
    old, new = ("".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def without_decimals(text: str) -> str:
    return re.sub(r"\d\.\d+", "#", text)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """A clone as a stranger has it, with what is not committed yet as one more commit, but for params.yaml."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("the page begins with git clone, and this is no git repository")
    folder = tmp_path_factory.mktemp("tutorial") / "clone"
    run("git", "clone", "--quiet", str(REPOSITORY), str(folder), folder=REPOSITORY)
    changed = run("git", "ls-files", "-mo", "--exclude-standard", folder=REPOSITORY).stdout.splitlines()
    for name in set(changed) - {"params.yaml"}:
        (folder / name).unlink(missing_ok=True)
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    run("git", "add", "--all", folder=folder)
    someone = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    run("git", *someone, "commit", "--quiet", "--allow-empty", "--message", "As it is", folder=folder)
    return folder


@pytest.fixture(scope="module")
def followed(fresh) -> Path:
    """The clone at the end of the page; its outputs are still those of the page's study."""
    printed = ""
    for block in blocks(PAGE):
        printed = follow(block, fresh, printed)
    return fresh


def study() -> dict:
    (text,) = (block.text for block in blocks(PAGE) if block.caption == "params.yaml" and block.language == "yaml")
    return yaml.safe_load(text)


def test_every_block_of_the_page_has_been_followed(followed):
    assert len(blocks(PAGE)) == len(re.findall(r"^(?:```|~~~)", PAGE, re.MULTILINE)) / 2
    assert (followed / "my-study.yaml").is_file()


def test_every_cell_has_a_table_with_the_names_of_the_study(followed):
    given = study()
    for dataset, detector, attack in product(*(given[part] for part in ("datasets", "detectors", "attacks"))):
        rows = table(followed, dataset, detector, attack)
        assert set(rows["dataset"] + "/" + rows["detector"] + "/" + rows["attack"]) == {
            f"{dataset}/{detector}/{attack}"
        }
        assert sorted(rows["epsilon"].unique()) == given["epsilons"]
        assert len(rows) == 160 * len(given["epsilons"])  # a quarter of the 640 images


def test_images_of_one_person_are_in_one_split(followed):
    manifest = pd.read_csv(followed / "outputs/datasets/my-faces/manifest.csv")
    assert manifest["group"].str.fullmatch(r"id-\d{4}").all()
    assert (manifest.groupby("group")["split"].nunique() == 1).all()
    assert manifest["split"].value_counts().to_dict() == {"train": 384, "validation": 96, "test": 160}


def test_the_files_that_the_page_names_are_there(followed):
    (shown,) = (block.text for block in blocks(PAGE) if (block.language, block.caption) == ("text", "Files"))
    named = [*shown.splitlines(), *re.findall(r"`(outputs/[^`]+)`", PAGE)]
    assert len(named) > 8
    assert [name for name in named if not (followed / name).is_file()] == []


def test_both_detectors_are_in_figure_1_and_its_page(followed):
    page = BeautifulSoup((followed / "outputs/book/figure1.html").read_text(), "html.parser")
    article = page.find("article")
    pictures = [(followed / "outputs/book" / image["src"]).read_text() for image in article.select("img[src]")]
    for detector in study()["detectors"]:
        assert f">{detector}: RA " in pictures[0]
        assert detector in article.find("table").get_text()


def test_the_pages_of_the_book_speak_of_the_images_as_the_readers_own(followed):
    book = followed / "outputs/book"
    for page in (
        "index",
        "figure1",
        "datasets/my-faces",
        "detectors/my-faces/my-cnn/detector",
        "detectors/my-faces/my-cnn/pgd",
    ):
        article = BeautifulSoup((book / f"{page}.html").read_text(), "html.parser").find("article").get_text()
        assert "The images are those of my-faces." in article, page
        assert "ynthetic" not in article, page


def test_the_detectors_are_good_enough_to_be_attacked(followed):
    """The page says that both are right equally often before the attack, and are told apart by RR."""
    for detector in study()["detectors"]:
        rows = table(followed, "my-faces", detector, "pgd")
        right = ((rows["p_attacked"] > 0.5) == (rows["label"] == 1)).groupby(rows["epsilon"]).mean()
        assert right[0] > 0.85
        assert right[0.005] < right[0] - 0.3


def test_after_going_back_git_finds_nothing_changed(followed):
    status = run("git", "status", "--porcelain", folder=followed).stdout.splitlines()
    assert status == ["?? draw.py", "?? mine.py", "?? my-faces/", "?? my-study.yaml", "?? read.py"]
    kept = yaml.safe_load((followed / "my-study.yaml").read_text())
    assert kept == study() | {"attacks": study()["attacks"] | {"pgd": {"rule": "pgd", "steps": 20}}}


@pytest.mark.parametrize(
    "block",
    [
        "```ruby\nputs 1\n```\n",
        "```text\nwithout a caption\n```\n",
        "```{code-block} python\nwithout a name\n```\n",
        "```{literalinclude} mine.py\n```\n",
        "```bash\nfalse | true\n```\n",
        "```{code-block} text\n:caption: prints\nanother line\n```\n",
    ],
)
def test_what_cannot_be_followed_is_not_passed_over(block, tmp_path):
    (unknown,) = blocks(f"Text.\n\n{block}\nText.\n")
    with pytest.raises(AssertionError, match="line 3"):
        follow(unknown, tmp_path, "one line\n")
