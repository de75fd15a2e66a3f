"""Facts about the Hugging Face hub, with a server that speaks as it does: commit, hashes, safetensors only."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable

import pytest

from rrlib.errors import InputError

COMMIT = "0123456789abcdef" * 2 + "01234567"
HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(4)
MODEL = {"hub": {"repository": "owner/model", "type": "model", "revision": COMMIT}}
UNPINNED = {"hub": {"repository": "owner/model", "type": "model"}}


@pytest.fixture
def publish(server, monkeypatch) -> Callable[..., None]:
    """publish(kind, repository, files): put them on the hub at COMMIT; weights and archives lie there under LFS."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)

    def put(kind: str, repository: str, files: dict[str, bytes]) -> None:
        siblings = []
        for name, content in files.items():
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            held = {"rfilename": name, "size": len(content), "blobId": git}
            if not name.endswith(".json"):
                sha256 = hashlib.sha256(content).hexdigest()
                held["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(held)
            prefix = "/datasets" if kind == "dataset" else ""
            server.serve(f"{prefix}/{repository}/resolve/{COMMIT}/{name}", content)
        info = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
        for suffix in ("", f"/revision/{COMMIT}"):
            server.serve(f"/api/{kind}s/{repository}{suffix}", info, type="application/json")

    return put


def test_a_model_is_its_safetensors_and_json_and_nothing_else(publish, bring, tmp_path):
    files = {"model.safetensors": WEIGHTS, "config.json": b"{}", "pytorch_model.bin": b"PK\x03\x04", "x/y.json": b"{}"}
    publish("model", "owner/model", files)
    bring(**MODEL)
    found = sorted(path.name for path in (tmp_path / "it").iterdir())
    assert found == ["config.json", "fetched.json", "model.safetensors"]
    assert (tmp_path / "it/model.safetensors").read_bytes() == WEIGHTS


def test_what_was_fetched_at_a_pinned_revision_needs_the_hub_no_more(publish, server, bring):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    bring(**MODEL)
    server.paths.clear()
    server.asked.clear()
    bring(**MODEL)
    assert server.asked == []


def test_a_hash_that_is_pinned_later_is_held_against_what_lies_there(publish, bring):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    bring(**MODEL)
    with pytest.raises(InputError, match="has the SHA-256"):
        bring(files=[{"name": "model.safetensors", "sha256": "0" * 64}], **MODEL)


def test_a_busy_hub_is_asked_again(publish, server, bring, tmp_path):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    server.paths[f"/api/models/owner/model/revision/{COMMIT}"].busy = [503, 429]
    assert bring(**MODEL) == [f"it: ready in {tmp_path / 'it'}"]


def test_files_of_an_older_revision_leave_the_receipt(publish, bring, tmp_path):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    bring(**MODEL)
    path = tmp_path / "it/fetched.json"
    receipt = json.loads(path.read_text())
    receipt["files"]["old.json"], receipt["revision"] = receipt["files"]["config.json"], "f" * 40
    path.write_text(json.dumps(receipt))
    bring(**MODEL)
    found = json.loads(path.read_text())
    assert (list(found["files"]), found["revision"]) == (["config.json", "model.safetensors"], COMMIT)


def test_a_hub_download_is_continued_where_it_broke_off(publish, server, bring, tmp_path):
    body = bytes(500_000)
    header = b'{"w":{"dtype":"F32","shape":[125000],"data_offsets":[0,500000]}}'
    content = len(header).to_bytes(8, "little") + header + body
    publish("model", "owner/model", {"model.safetensors": content, "config.json": b"{}"})
    path = f"/owner/model/resolve/{COMMIT}/model.safetensors"
    server.paths[path].breaks = [300_000, 0, 0, 0]
    with pytest.raises(InputError, match="broke off after"):
        bring(**MODEL)
    kept = (tmp_path / "it/model.safetensors.part").stat().st_size
    server.paths[path].breaks.clear()
    server.asked.clear()
    bring(**MODEL)
    assert (path, f"bytes={kept}-") in server.asked
    assert (tmp_path / "it/model.safetensors").read_bytes() == content


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_what_the_commit_holds_is_refused(publish, server, bring, tmp_path, name):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    path = f"/owner/model/resolve/{COMMIT}/{name}"
    content = server.paths[path].content
    server.paths[path].content = content[:-1] + b"!"
    with pytest.raises(InputError, match=rf"{name} from .* (has the SHA-256|is not what that revision holds)"):
        bring(**MODEL)
    assert not (tmp_path / "it" / name).exists()


def test_a_revision_that_is_not_pinned_is_refused_with_the_line_that_pins_it(publish, bring, tmp_path):
    publish("model", "owner/model", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
    where = tmp_path / "catalogue.yaml"
    with pytest.raises(InputError) as caught:
        bring(**UNPINNED)
    assert str(caught.value) == (
        f"{where} has no revision for it, whose newest is {COMMIT}; if you trust it write `revision: {COMMIT}` there, "
        "or run again with --trust-first-use"
    )
    assert not (tmp_path / "it").exists()
    assert bring(trust=True, **UNPINNED) == [
        f"it: trusted on first use; to pin it, write `revision: {COMMIT}` in {where}",
        f"it: ready in {tmp_path / 'it'}",
    ]
    assert bring(**UNPINNED) == [f"it: ready in {tmp_path / 'it'}"]  # the receipt holds it to its first revision


def test_the_archives_of_a_data_set_are_unpacked(publish, bring, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("wiki/00/1.jpg", b"face")
    publish("dataset", "owner/faces", {"wiki.zip": buffer.getvalue(), "README.json": b"{}"})
    keys = {"hub": {"repository": "owner/faces", "type": "dataset", "revision": COMMIT}, "layout": ["wiki/*"]}
    for _ in range(2):
        bring(files=[{"name": "wiki.zip", "unpack": True}], **keys)
        assert sorted(path.name for path in (tmp_path / "it").iterdir()) == ["fetched.json", "wiki"]
    assert (tmp_path / "it/wiki/00/1.jpg").read_bytes() == b"face"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"pytorch_model.bin": b"PK\x03\x04", "config.json": b"{}"},
            "owner/model on the hub has pickle weights only (pytorch_model.bin), which can run code; choose another "
            "detector",
        ),
        (
            {"config.json": b"{}"},
            "owner/model on the hub has no .safetensors file; list its files in the catalogue, or choose another",
        ),
        (
            {"model.safetensors": b"PK\x03\x04 an archive of pickles", "config.json": b"{}"},
            "model.safetensors from {url}/owner/model/resolve/{commit}/model.safetensors is a pickle, not the "
            ".safetensors that its name says, and pickles can run code; it was not kept",
        ),
        (
            {"model.safetensors": WEIGHTS, "config.json": b'{"auto_map": {"AutoModel": "code.Model"}}'},
            "{folder}/config.json asks to run code of its repository, which is never done; choose another detector",
        ),
        (
            {"model.safetensors": WEIGHTS, "config.json": b"[" * 100_000},
            "{folder}/config.json is not valid JSON (it is nested too deeply); choose another detector",
        ),
        (
            {"model.safetensors": WEIGHTS, "config.json": b"\xff"},
            "{folder}/config.json is not valid JSON ('utf-8' codec can't decode byte 0xff in position 0: invalid start "
            "byte); choose another detector",
        ),
    ],
)
def test_pickles_and_code_are_refused(publish, server, bring, tmp_path, files, message):
    publish("model", "owner/model", files)
    with pytest.raises(InputError) as caught:
        bring(**MODEL)
    assert str(caught.value) == message.format(url=server.url, commit=COMMIT, folder=tmp_path / "it")
    assert not list(tmp_path.glob("it/*.part"))


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("GatedRepo", 403, "is gated; ask at https://example.org, then set HF_TOKEN and run again"),
        ("RevisionNotFound", 404, "has no revision {commit}; correct it in {where}"),
        ("RepoNotFound", 404, "is not there, or not for you; correct it in {where}, or set HF_TOKEN"),
        (
            "",
            500,
            "cannot be reached (HfHubHTTPError); check the network, the proxy and HF_ENDPOINT, and run again",
        ),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(publish, server, bring, tmp_path, code, status, message):
    publish("model", "owner/model", {})
    answer = server.paths[f"/api/models/owner/model/revision/{COMMIT}"]
    answer.status, answer.headers = status, {"X-Error-Code": code}
    with pytest.raises(InputError) as caught:
        bring(**MODEL)
    expected = message.format(commit=COMMIT, where=tmp_path / "catalogue.yaml")
    assert str(caught.value) == f"owner/model on the hub {expected}"


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"id": 1, "siblings": [{}]}', b'"' + b"x" * 1000])
def test_an_answer_that_is_none_is_one_sentence(publish, server, bring, content):
    publish("model", "owner/model", {})
    server.paths[f"/api/models/owner/model/revision/{COMMIT}"].content = content
    with pytest.raises(InputError, match=r"^(what is said of )?owner/model on the hub [^\n]*; [^\n]+$"):
        bring(**MODEL)


def test_a_hub_that_cannot_be_reached_is_one_sentence(bring, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(
        InputError, match=r"owner/model on the hub cannot be reached \(ConnectError\); check the network"
    ):
        bring(**MODEL)


def test_a_listed_file_that_the_commit_does_not_hold_is_named(publish, bring, tmp_path):
    publish("model", "owner/model", {"config.json": b"{}"})
    with pytest.raises(InputError) as caught:
        bring(files=[{"name": "model.safetensors"}], **MODEL)
    where = tmp_path / "catalogue.yaml"
    assert str(caught.value) == f"owner/model on the hub has no model.safetensors at {COMMIT}; correct {where}"
