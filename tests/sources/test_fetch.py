"""Facts about fetch: archives, folders, mirrors, sources that must be asked for, and the published MesoNet weights."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from rrlib.__main__ import main
from rrlib.detectors.catalogue import load
from rrlib.errors import InputError
from rrlib.files import MARK
from rrlib.sources import catalogue, fetch

REPOSITORY = Path(__file__).resolve().parents[2]


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_archive_lands_as_its_folder_and_is_not_fetched_twice(server, bring, tmp_path):
    content = archive(a=b"a")
    keys = {
        "files": [{"url": server.serve("/faces.zip", content), "sha256": sha256(content), "unpack": True}],
        "layout": ["faces/*"],
    }
    bring(**keys)
    assert sorted(path.name for path in (tmp_path / "it").iterdir()) == ["faces", "fetched.json"]
    assert (tmp_path / "it/faces/a").read_bytes() == b"a"
    bring(**keys)
    assert len(server.asked) == 1


def test_an_archive_that_was_pinned_anew_takes_the_place_of_the_old(server, bring, tmp_path):
    for name in ("old", "new"):
        content = archive(**{name: b""})
        url = server.serve("/faces.zip", content)
        bring(files=[{"url": url, "sha256": sha256(content), "unpack": True}])
    assert sorted(path.name for path in (tmp_path / "it/faces").iterdir()) == [MARK, "new"]


def test_a_bad_archive_leaves_no_folder_and_no_receipt(server, bring, tmp_path):
    content = archive(**{"../evil": b""})
    url = server.serve("/faces.zip", content)
    with pytest.raises(InputError, match="may lead outside"):
        bring(trust=True, files=[{"url": url, "unpack": True}])
    assert [path.name for path in (tmp_path / "it").iterdir()] == ["faces.zip"]


def test_a_source_without_what_its_layout_promises_is_refused(server, bring, tmp_path):
    url = server.serve("/data.bin", b"data")
    with pytest.raises(InputError) as caught:
        bring(trust=True, files=[{"url": url}], layout=["data.bin", "real/*"])
    expected = f"{tmp_path / 'it'} has no real/*, which A test should have; fill or correct it"
    assert str(caught.value) == expected


def test_a_file_url_and_a_path_beside_the_catalogue_are_copied_and_checked(bring, tmp_path):
    (tmp_path / "here.bin").write_bytes(b"data")
    for url in ("here.bin", (tmp_path / "here.bin").as_uri()):
        bring(files=[{"url": url, "sha256": sha256(b"data")}])
        (tmp_path / "it/here.bin").unlink()
    with pytest.raises(InputError, match="has the SHA-256"):
        bring(files=[{"url": "here.bin", "sha256": "0" * 64}])
    with pytest.raises(InputError) as caught:
        bring(files=[{"url": "nowhere.bin"}])
    where = tmp_path / "catalogue.yaml"
    expected = f"{tmp_path / 'nowhere.bin'} is not a file; correct the url of nowhere.bin in {where}"
    assert str(caught.value) == expected
    assert (tmp_path / "here.bin").read_bytes() == b"data"


def test_a_local_folder_is_linked_and_not_copied(bring, tmp_path):
    (tmp_path / "mine/real").mkdir(parents=True)
    (tmp_path / "mine/real/a.mp4").touch()
    for _ in range(2):
        assert bring(access="form", folder="mine", layout=["real/*"]) == [
            f"it: {tmp_path / 'it'} leads to {tmp_path / 'mine'}"
        ]
    assert (tmp_path / "it").resolve() == tmp_path / "mine"
    with pytest.raises(InputError, match=r"mine has no fake/\*, which A test should have"):
        bring(folder="mine", layout=["fake/*"])
    with pytest.raises(InputError, match=r"absent is not a folder; correct it\.folder in"):
        bring(folder="absent")


def test_a_link_never_takes_the_place_of_a_folder_with_files(bring, tmp_path):
    for name in ("mine", "it"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    with pytest.raises(InputError) as caught:
        bring(folder="mine")
    assert str(caught.value) == f"{tmp_path / 'it'} is there already and no link; move it away, or give --to"
    assert (tmp_path / "it/a").exists()


def test_nothing_lands_in_a_folder_that_is_only_linked(server, bring, tmp_path):
    (tmp_path / "mine").mkdir()
    bring(folder="mine")
    with pytest.raises(InputError) as caught:
        bring(trust=True, files=[{"url": server.serve("/data.bin", b"data")}])
    assert str(caught.value) == f"{tmp_path / 'it'} is a link to {tmp_path / 'mine'}; remove the link, or give --to"
    assert not list((tmp_path / "mine").iterdir())


def test_a_gated_source_says_where_to_ask_and_which_folder_to_fill(bring, tmp_path):
    keys = {"access": "form", "layout": ["real/*", "list.txt"]}
    with pytest.raises(InputError) as caught:
        bring(**keys)
    assert str(caught.value) == (
        f"A test needs a form: ask at https://example.org, put what you get into {tmp_path / 'it'} "
        "(real/*, list.txt), and run again"
    )
    (tmp_path / "it/real").mkdir(parents=True)
    (tmp_path / "it/real/a.mp4").touch()
    with pytest.raises(InputError, match=r"it has no list\.txt, which A test should have"):
        bring(**keys)
    (tmp_path / "it/list.txt").touch()
    assert bring(**keys) == [f"it: {tmp_path / 'it'} is filled"]


def test_a_mirror_is_a_url_or_a_folder_with_the_files_by_source_and_name(server, bring, tmp_path, monkeypatch):
    keys = {"files": [{"url": "http://127.0.0.1:1/far/data.bin", "sha256": sha256(b"data")}]}
    monkeypatch.setenv("RRLIB_MIRROR", f"{server.url}/mirror/")
    server.serve("/mirror/it/data.bin", b"data")
    bring(**keys)
    assert server.asked == [("/mirror/it/data.bin", None)]
    (tmp_path / "it/data.bin").unlink()
    (tmp_path / "mirror/it").mkdir(parents=True)
    (tmp_path / "mirror/it/data.bin").write_bytes(b"data")
    monkeypatch.setenv("RRLIB_MIRROR", str(tmp_path / "mirror"))
    bring(**keys)
    assert (tmp_path / "it/data.bin").read_bytes() == b"data"


def test_a_mirror_with_another_file_is_found_out(server, bring, monkeypatch):
    monkeypatch.setenv("RRLIB_MIRROR", server.url)
    server.serve("/it/data.bin", b"evil")
    with pytest.raises(InputError, match="has the SHA-256"):
        bring(files=[{"url": "http://127.0.0.1:1/data.bin", "sha256": sha256(b"data")}])


def test_a_mirror_without_the_file_is_named(server, bring, tmp_path, monkeypatch):
    keys = {"files": [{"url": "http://127.0.0.1:1/data.bin", "sha256": sha256(b"data")}]}
    remedy = "put it there, or set RRLIB_MIRROR to where it is, or to nothing"
    for mirror, message in (
        (server.url, f"{server.url}/it/data.bin is not there (404 Not Found)"),
        (str(tmp_path), f"{tmp_path / 'it/data.bin'} is not a file"),
    ):
        monkeypatch.setenv("RRLIB_MIRROR", mirror)
        with pytest.raises(InputError) as caught:
            bring(**keys)
        assert str(caught.value) == f"{message}; {remedy}"


ENTRY_OF_RECEIPT = {"url": "", "sha256": "", "size": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", " (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[" * 100_000, " (it is nested too deeply)"),
        ("[]", ""),
        ('{"files": []}', ""),
        ('{"files": {"a": 1}}', ""),
        ('{"files": {"a": {"sha256": 1}}}', ""),
        (json.dumps({"files": {"../a": ENTRY_OF_RECEIPT}}), ""),
        (json.dumps({"files": {"a": ENTRY_OF_RECEIPT | {"size": "1"}}}), ""),
        ('{"revision": 1}', ""),
    ],
)
def test_a_damaged_receipt_is_named(server, bring, tmp_path, text, reason):
    (tmp_path / "it").mkdir()
    (tmp_path / "it/fetched.json").write_text(text)
    with pytest.raises(InputError) as caught:
        bring(files=[{"url": server.serve("/data.bin", b"data")}])
    assert str(caught.value) == (
        f"{tmp_path / 'it/fetched.json'} is not what a fetch wrote{reason}; delete it and run again"
    )


def test_a_file_that_fetch_did_not_bring_is_not_overwritten(server, bring, tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it/data.bin").write_bytes(b"theirs")
    url = server.serve("/data.bin", b"data")
    for keys in ({"sha256": sha256(b"data")}, {}):
        with pytest.raises(InputError) as caught:
            bring(trust=True, files=[{"url": url} | keys])
        assert str(caught.value) == (
            f"{tmp_path / 'it/data.bin'} is there, fetch did not bring it, and it is not what "
            f"{tmp_path / 'catalogue.yaml'} says; move it away, or give --to"
        )
    assert (tmp_path / "it/data.bin").read_bytes() == b"theirs"


def test_a_folder_and_an_archive_that_fetch_did_not_bring_stay(server, bring, tmp_path):
    content = archive(a=b"a")
    keys = {"files": [{"url": server.serve("/faces.zip", content), "sha256": sha256(content), "unpack": True}]}
    (tmp_path / "it/faces").mkdir(parents=True)
    (tmp_path / "it/faces/theirs").touch()
    (tmp_path / "it/faces.zip").write_bytes(content)
    with pytest.raises(InputError) as caught:
        bring(**keys)
    assert str(caught.value) == (
        f"{tmp_path / 'it/faces'} holds files that this project did not make; name another place, or empty it by hand"
    )
    assert (tmp_path / "it/faces/theirs").exists()
    (tmp_path / "it/faces/theirs").unlink()
    bring(**keys)
    assert (tmp_path / "it/faces/a").read_bytes() == b"a"
    assert (tmp_path / "it/faces.zip").read_bytes() == content
    assert not server.asked


def test_a_link_of_somebody_else_is_not_replaced(bring, tmp_path):
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
    (tmp_path / "it").symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError) as caught:
        bring(folder="mine")
    assert str(caught.value) == f"{tmp_path / 'it'} is a link to {tmp_path / 'theirs'}; remove the link, or give --to"


def test_a_link_in_outputs_follows_the_study(bring, entry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fetch.fetch(entry(folder=name), fetch.OUTPUTS / "it")
        assert (fetch.OUTPUTS / "it").resolve() == tmp_path / name


MESONET = {
    "meso4-df": "Meso4_DF.h5",
    "meso4-f2f": "Meso4_F2F.h5",
    "mesoinception4-df": "MesoInception_DF.h5",
    "mesoinception4-f2f": "MesoInception_F2F.h5",
}
FACES = ("real/mesonet_real00240", "real/mesonet_real00772", "fake/mesonet_df00204", "fake/mesonet_df01254")


def test_the_published_mesonet_weights_are_fetched_by_an_override_and_give_the_known_outputs(
    real, tmp_path, monkeypatch, capsys
):
    """The override says only where the files lie; hash, size and architecture are those of the project's catalogue."""
    monkeypatch.chdir(REPOSITORY)
    override = tmp_path / "override.yaml"
    override.write_text(
        yaml.safe_dump({name: {"files": [{"url": f"{real}/mesonet/weights/{file}"}]} for name, file in MESONET.items()})
    )
    entries = catalogue.read(overrides=[override])
    faces = []
    for name in FACES:
        face = Image.open(real / "mesonet" / f"{name}.jpg").convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
        faces.append(torch.from_numpy(np.asarray(face, dtype=np.float32) / 255).permute(2, 0, 1))
    outputs = {}
    for name, file in MESONET.items():
        assert main(["fetch", name, "--catalogue", str(override), "--to", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out == f"{name}: ready in {tmp_path / name}\n"
        detector = load(tmp_path / name / file, entries[name].architecture).detector
        with torch.no_grad():
            outputs[name] = detector(torch.stack(faces)).softmax(1)[:, 0].tolist()
    assert outputs == {
        "meso4-df": pytest.approx([0.990, 0.997, 0.052, 0.020], abs=0.005),
        "meso4-f2f": pytest.approx([0.881, 0.944, 0.836, 0.687], abs=0.005),  # deepfakes are no Face2Face
        "mesoinception4-df": pytest.approx([1.000, 1.000, 0.022, 0.001], abs=0.005),
        "mesoinception4-f2f": pytest.approx([1.000, 0.999, 0.999, 1.000], abs=0.005),
    }
