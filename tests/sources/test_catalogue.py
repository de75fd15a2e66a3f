"""Facts about the catalogue: the project's own, files that change it, and the sentence for each thing wrong in one."""

import re
from pathlib import Path

import pytest
import yaml

from rrlib.datasets.layouts.faceforensics import LISTS
from rrlib.errors import InputError
from rrlib.sources import catalogue, table
from rrlib.sources.catalogue import File, Hub

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = REPOSITORY / "data/catalogue.yaml"


@pytest.fixture(scope="module")
def own() -> dict[str, catalogue.Source]:
    return catalogue.read(PATH)


def test_the_entries_are_those_of_the_study(own):
    assert {name for name, source in own.items() if source.kind == "data set"} == {
        "faceforensics-c23",
        "faceforensics-c40",
        "celeb-df-v2",
        "dfdc-preview",
        "deeperforensics-1.0",
        "deepfakeface",
        "real-or-fake",
    }
    assert {source.architecture for source in own.values() if source.kind == "checkpoint"} == {
        "meso4",
        "mesoinception4",
        "meso4-deepfakebench",
        "mesoinception4-deepfakebench",
        "xception",
        "efficientnet-lite0-stage5",
        "hub",
    }


def test_the_four_manipulations_of_faceforensics_are_asked_for(own):
    for compression in ("c23", "c40"):
        layout = own[f"faceforensics-{compression}"].layout
        for name in ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"):
            assert f"manipulated_sequences/{name}/{compression}/*" in layout


def test_the_official_splits_of_faceforensics_are_three_lists_of_one_commit(own):
    source = own["faceforensics-splits"]
    assert source.kind == "split list"
    assert {file.name for file in source.files} == set(LISTS)
    assert len({file.url.rpartition("/")[0] for file in source.files}) == 1


def test_every_entry_that_is_not_open_says_where_to_ask_and_what_to_fill(own):
    for source in own.values():
        assert source.page.startswith("https://"), source.name
        assert source.licence, source.name
        assert source.access == "open" or source.layout, source.name


def test_every_url_is_fixed_and_every_data_set_says_its_labels_and_splits(own):
    # a commit, a release, or the hash of the file itself
    fixed = (
        r"/(raw|archive)/[0-9a-f]{40}[/.]|/releases/download/v[\d.]+/|/packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/"
    )
    for source in own.values():
        for file in source.files:
            if file.url:
                assert re.search(fixed, file.url), file.url
        assert source.labels, source.name
        assert source.splits or source.kind == "checkpoint", source.name


def test_every_hash_in_the_book_is_one_of_the_catalogue_or_of_weights_out_of_an_archive(own):
    hashes = {file.sha256 for source in own.values() for file in source.files}
    faces = yaml.safe_load((REPOSITORY / "params.faces.yaml").read_text())
    hashes |= {entry["sha256"] for entry in faces["detectors"].values() if "sha256" in entry}
    for page in (REPOSITORY / "book").glob("*.md"):
        assert set(re.findall(r"\b[0-9a-f]{64}\b", page.read_text())) <= hashes, page.name


def test_every_citation_is_in_the_bibliography(own):
    keys = re.findall(r"@\w+\{(\w+),", (REPOSITORY / "book/references.bib").read_text())
    assert {source.cite for source in own.values()} - {"none"} <= set(keys)


def test_the_books_table_is_the_catalogue(own):
    page = (REPOSITORY / "book/sources.md").read_text()
    assert table.markdown(own.values()) in page, "paste what `python -m rrlib sources` prints"


def write(path: Path, **entries: object) -> Path:
    path.write_text(yaml.safe_dump(entries))
    return path


ENTRY = {
    "kind": "data set",
    "media": "videos",
    "title": "A test",
    "access": "open",
    "page": "https://example.org",
    "licence": "MIT",
    "cite": "none",
    "files": [{"url": "https://example.org/a%20b.zip?raw=1", "sha256": "0" * 64, "size": 10, "unpack": True}],
}


def test_a_files_name_is_the_end_of_its_url(tmp_path):
    (file,) = catalogue.read(write(tmp_path / "c.yaml", it=ENTRY))["it"].files
    assert file == File("a b.zip", "https://example.org/a%20b.zip?raw=1", "0" * 64, 10, None, True)


def test_an_override_of_a_files_place_keeps_its_hash_and_is_relative_to_itself(tmp_path):
    (tmp_path / "other").mkdir()
    override = write(tmp_path / "other/o.yaml", it={"files": [{"url": "mine/a b.zip"}]})
    source = catalogue.read(write(tmp_path / "c.yaml", it=ENTRY), [override])["it"]
    url = (tmp_path / "other/mine/a b.zip").as_uri()
    assert source.files == (File("a b.zip", url, "0" * 64, 10, None, True),)
    assert (source.title, source.where) == ("A test", str(override))


def test_an_override_with_a_folder_takes_the_place_of_the_files(tmp_path):
    override = write(tmp_path / "o.yaml", it={"folder": "/data/faces", "title": "Mine"}, more=ENTRY)
    found = catalogue.read(write(tmp_path / "c.yaml", it=ENTRY), [override])
    source = found["it"]
    assert (source.folder, source.files, source.hub, source.title) == (Path("/data/faces"), (), None, "Mine")
    assert list(found) == ["it", "more"]


def test_later_overrides_win(tmp_path):
    overrides = [write(tmp_path / f"{n}.yaml", it={"title": f"Title {n}"}) for n in (1, 2)]
    assert catalogue.read(write(tmp_path / "c.yaml", it=ENTRY), overrides)["it"].title == "Title 2"


def test_a_hub_entry_may_leave_its_revision_empty(tmp_path):
    entry = {key: value for key, value in ENTRY.items() if key != "files"}
    entry["hub"] = {"repository": "owner/name", "type": "model", "revision": None}
    assert catalogue.read(write(tmp_path / "c.yaml", it=entry))["it"].hub == Hub("owner/name", "model", None)


FILE = ENTRY["files"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "dataset"}, "it.kind.dataset is not known; choose from data set, checkpoint, split list"),
        ({"access": "free"}, "it.access.free is not known; choose from open, form, account"),
        ({"licence": ""}, "it.licence is ''; give text"),
        ({"url": "x"}, "it.url is not known; choose from kind, media,"),
        ({"layout": ["../x"]}, "it.layout is ['../x']; list patterns such as 'Celeb-real/*'"),
        ({"files": []}, "it.files is []; list one or more, each with its url or name"),
        ({"files": [FILE, FILE]}, "it.files has two files of one name; give one of them another name"),
        ({"files": [FILE | {"name": "../x"}]}, "it.files has the name '../x'; give a plain file name"),
        ({"files": [FILE | {"name": ".x"}]}, "it.files has the name '.x'; give a plain file name"),
        ({"files": [{"name": "x"}]}, "it.files: x has no url; give one, or a path"),
        (
            {"files": [FILE | {"url": "ftp://example.org/x"}]},
            "it.files: x has the url ftp://example.org/x; give one of http, https, file, or a path",
        ),
        (
            {"files": [FILE | {"sha256": "ABC"}]},
            "it.files: a b.zip: sha256 is 'ABC'; give 64 hexadecimal digits in lower case, or leave it empty",
        ),
        ({"files": [FILE | {"size": -1}]}, "it.files: a b.zip has the size -1; give whole bytes, or leave it empty"),
        ({"files": [FILE | {"unpack": "yes"}]}, "it.files: a b.zip has unpack 'yes'; give true or false"),
        (
            {"files": [{"url": "https://example.org/a", "unpack": True}]},
            "it.files: a is no archive by its name; give one that ends in .zip, .tar or .tar.gz",
        ),
        ({"hub": {"repository": "x", "type": "model"}}, "it.hub.repository is 'x'; write owner/name"),
        (
            {"hub": {"repository": "x/y", "type": "model", "revision": "main"}},
            "it.hub.revision is 'main'; give 40 hexadecimal digits in lower case, or leave it empty",
        ),
        ({"hub": {"repository": "x/y"}}, "it.hub lacks type; add it (required: repository, type)"),
        ({"folder": 3}, "it.folder is 3; give text"),
        ({"counts": {"real": 1}}, "it.counts lacks fake; add it (required: real, fake)"),
        ({"counts": {"real": 0, "fake": 1}}, "it.counts.real is 0; give a whole number of at least 1"),
        ({"transformer": {"depth": 12}}, "it.transformer.depth is not known; choose from layers, width, heads, tokens"),
        ({"gigabytes": float("nan")}, "it.gigabytes is nan; give about how much there is to download"),
        ({"layout": ["a**"]}, "it.layout is ['a**']; list patterns such as 'Celeb-real/*'"),
        (
            {"files": [FILE | {"url": "http://[x"}]},
            "it.files.url: http://[x is not an address (Invalid IPv6 URL); correct",
        ),
        ({"gigabytes": "5"}, "it.gigabytes is '5'; give about how much there is to download"),
    ],
)
def test_what_is_wrong_in_an_entry_is_named(tmp_path, change, message):
    path = write(tmp_path / "c.yaml", it=ENTRY | change)
    with pytest.raises(InputError) as caught:
        catalogue.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_an_entry_that_lacks_a_key_or_a_place_is_named(tmp_path):
    for key, message in (
        ("title", "it lacks title; add it (required: kind, media, title, access, page, licence, cite)"),
        ("files", "it is open but does not say where it lies; give files, hub or folder"),
    ):
        path = write(tmp_path / "c.yaml", it={name: value for name, value in ENTRY.items() if name != key})
        with pytest.raises(InputError) as caught:
            catalogue.read(path)
        assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", " is not valid YAML ("),
        ("a: {}\na: {}", ": line 2: the key a is given twice; keep one of the two"),
        ("007: {}", ": line 1: the key 007 is no text; write it in quotes"),
        ("a: &a [*a]", ": line 1: the value holds itself; write it out without the alias"),
        (f"a: {'[' * 5000}", " is not valid YAML (it is nested too deeply); correct it"),
        ("- a", " is no catalogue; give entries by name, each with its keys"),
        ("a: 1", " is no catalogue; give entries by name, each with its keys"),
        ("../x: {}", ": the name '../x' is not allowed; use letters, digits, ., - and _, 64 at most"),
    ],
)
def test_a_file_that_is_no_catalogue_is_named(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        catalogue.read(tmp_path / "c.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'c.yaml'}{message}")


def test_an_absent_catalogue_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        catalogue.read(tmp_path / "c.yaml")
    expected = f"{tmp_path / 'c.yaml'} is absent; give the path of a catalogue"
    assert str(caught.value) == expected


def test_an_unknown_name_lists_those_that_there_are(own):
    with pytest.raises(InputError, match=r"^sources\.celeb is not known; choose from faceforensics-c23, "):
        catalogue.find(own, "celeb")


def test_a_study_chooses_entries_and_changes_what_it_says(tmp_path):
    hub = {key: value for key, value in ENTRY.items() if key != "files"}
    hub["hub"] = {"repository": "owner/name", "type": "model", "revision": None}
    path = write(tmp_path / "c.yaml", it=ENTRY, other=ENTRY, hub=hub)
    changes = {
        "it": {"files": [{"name": "a b.zip", "sha256": "1" * 64}]},
        "hub": {"hub": {"revision": "2" * 40}},
        "other": {"folder": "mine"},
    }
    found = catalogue.chosen(changes, "params.yaml: sources", Path("here"), path)
    assert list(found) == ["it", "hub", "other"]
    assert found["it"].files == (File("a b.zip", "https://example.org/a%20b.zip?raw=1", "1" * 64, 10, None, True),)
    assert found["hub"].hub == Hub("owner/name", "model", "2" * 40)
    assert found["other"].folder == Path("here/mine")
    assert {source.where for source in found.values()} == {"params.yaml: sources"}
    (same,) = catalogue.chosen({"it": {}}, "params.yaml: sources", Path(), path).values()
    assert same == catalogue.read(path)["it"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ti": {}}, ".ti is not known; choose from it"),
        (["it"], " holds ['it']; give names of {path}, each with {{}} or what changes its entry"),
        ({"it": None}, ".it is None; give {{}}, or keys that change the entry in {path}"),
        ({"it": {"folder": 1}}, ".it.folder is 1; give text"),
        ({"it": {"sha256": "0"}}, ".it.sha256 is not known; choose from kind, media, "),
        ({"it": {"files": [{"sha256": "0" * 64}]}}, ".it.files lacks name; add it (required: name)"),
    ],
)
def test_what_a_study_may_not_say_of_its_sources(tmp_path, changes, message):
    path = write(tmp_path / "c.yaml", it=ENTRY)
    with pytest.raises(InputError) as caught:
        catalogue.chosen(changes, "params.yaml: sources", Path(), path)
    assert str(caught.value).startswith("params.yaml: sources" + message.format(path=path))
