"""What is sent to machines with folders of their own, and what of it is written."""

import io
import tarfile
from pathlib import Path

import pytest

from rrlib.cluster import transport
from rrlib.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def tar(*members: tarfile.TarInfo) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as made:
        for member in members:
            made.addfile(member, io.BytesIO(b"x" * member.size))
    return into.getvalue()


def file(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 1
    return member


@pytest.mark.parametrize("way", ["../beside", "outputs/../../beside", "absolute"])
def test_what_others_send_chooses_no_path_outside(folder, way):
    beside = folder.with_name("beside")
    name = str(beside) if way == "absolute" else way
    with pytest.raises(InputError, match=r"lies outside this folder and is not sent"):
        transport.unpack(tar(file(name)))
    with pytest.raises(InputError, match=r"lies outside this folder and is not sent"):
        transport.packed([name])
    assert not list(folder.iterdir())
    assert not beside.exists()


def test_links_and_devices_are_not_made(folder):
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("device")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    transport.unpack(tar(link, device, file("a")))
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_what_was_packed_comes_out_and_what_a_stage_left_before_goes(folder):
    Path("outputs/old").mkdir(parents=True)
    Path("outputs/table").write_text("new")
    sent = transport.packed(["outputs/table", "outputs/absent"])
    Path("outputs/table").write_text("other")
    Path("outputs/old/left").write_text("left")
    transport.unpack(sent, ["outputs"])
    assert {path.name: path.read_text() for path in Path("outputs").rglob("*") if path.is_file()} == {"table": "new"}


def test_a_folder_that_is_a_link_to_one_of_the_repository_is_written_through(folder):
    folder.with_name("shared").mkdir()
    Path("measured").symlink_to("../shared")
    transport.unpack(tar(file("measured/a")))
    assert folder.with_name("shared").joinpath("a").read_text() == "x"
