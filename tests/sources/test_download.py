"""Facts about files from servers that break off, refuse and lie: they land whole and right, or not at all."""

import gzip
import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from rrlib.errors import InputError
from rrlib.sources import download
from rrlib.sources.download import PATIENT, Patience, _session
from rrlib.sources.verify import disguise, git_name

REPOSITORY = Path(__file__).resolve().parents[2]
CONTENT = random.Random(0).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def pinned(url: str, content: bytes = CONTENT, **keys: object) -> dict:
    return {"files": [{"url": url, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | keys]}


def left(tmp_path: Path) -> dict[str, int]:
    """What lies in the folder: name → bytes, without the receipt."""
    files = (path for path in (tmp_path / "it").rglob("*") if path.is_file() and path.name != "fetched.json")
    return {path.name: path.stat().st_size for path in files}


def test_a_file_lands_under_its_name_with_a_receipt_and_is_not_fetched_twice(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT)
    assert bring(**pinned(url)) == [f"it: ready in {tmp_path / 'it'}"]
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT
    assert sorted(path.name for path in (tmp_path / "it").iterdir()) == ["data.bin", "fetched.json"]
    receipt = yaml.safe_load((tmp_path / "it/fetched.json").read_text())
    assert receipt["files"] == {"data.bin": {"url": url, "sha256": SHA256, "size": len(CONTENT)}}
    bring(**pinned(url))
    assert server.asked == [("/data.bin", None)]


def test_a_file_that_was_changed_here_is_fetched_again(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT)
    bring(**pinned(url))
    (tmp_path / "it/data.bin").write_bytes(b"changed")
    bring(**pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT


def test_a_connection_that_breaks_is_continued_where_it_broke_off(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, breaks=[300_000, 300_000])
    bring(**pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in server.asked]
    assert len(starts) == 3
    # less than one piece of 64 KiB is lost at each break
    assert 300_000 - 65_536 < starts[1] <= 300_000
    assert starts[1] + 300_000 - 65_536 < starts[2] <= starts[1] + 300_000


def test_a_server_that_dies_half_way_leaves_a_part_that_the_next_run_continues(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, breaks=[500_000, 0, 0, 0])
    message = rf"{url} broke off after (\d+) bytes, 3 times in a row \(\w+\); run again to go on from there"
    with pytest.raises(InputError) as caught:
        bring(**pinned(url))
    kept = int(re.fullmatch(message, str(caught.value)).group(1))
    assert left(tmp_path) == {"data.bin.part": kept}
    assert kept > 400_000
    server.paths["/data.bin"].breaks.clear()
    server.asked.clear()
    bring(**pinned(url))
    assert server.asked == [("/data.bin", f"bytes={kept}-")]
    assert left(tmp_path) == {"data.bin": len(CONTENT)}


def test_a_server_without_ranges_starts_again_and_nothing_is_doubled(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, breaks=[500_000], ranges=False)
    bring(**pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT


def test_a_server_that_gives_no_length_and_stops_early_is_asked_again(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, breaks=[500_000], length=-1)
    bring(**pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT
    assert server.asked[1][1].startswith("bytes=")


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, bring, tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it/data.bin.part").write_bytes(CONTENT + b"more")
    bring(**pinned(server.serve("/data.bin", CONTENT)))
    assert left(tmp_path) == {"data.bin": len(CONTENT)}


def test_a_part_of_another_file_is_found_by_its_hash_and_thrown_away(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT)
    (tmp_path / "it").mkdir()
    (tmp_path / "it/data.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match="has the SHA-256"):
        bring(**pinned(url))
    assert left(tmp_path) == {}
    bring(**pinned(url))
    assert left(tmp_path) == {"data.bin": len(CONTENT)}


def test_a_server_that_sends_another_part_than_was_asked_for_is_not_believed(server, bring, tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it/data.bin.part").write_bytes(CONTENT[:1000])
    url = server.serve("/data.bin", CONTENT, shifted=5)
    with pytest.raises(InputError) as caught:
        bring(**pinned(url))
    expected = f"{url} was asked to go on at byte 1000 but sends 1005-999999/1000000; run again"
    assert (str(caught.value), left(tmp_path)) == (expected, {})


def test_a_busy_server_is_asked_again(server, bring, tmp_path):
    bring(**pinned(server.serve("/data.bin", CONTENT, busy=[503, 429])))
    assert left(tmp_path) == {"data.bin": len(CONTENT)}


def test_without_a_hash_a_file_that_changes_on_the_way_is_fetched_from_its_start(server, bring, tmp_path):
    """The server's second answer is another file of the same length: the two must not be joined."""
    other = bytes(len(CONTENT))
    url = server.serve("/data.bin", CONTENT, breaks=[500_000])

    def change(*_: object) -> None:
        server.paths["/data.bin"].content, server.paths["/data.bin"].etag = other, '"two"'

    server.paths["/data.bin"].breaks = Once(500_000, change)
    bring(trust=True, files=[{"url": url}])
    assert (tmp_path / "it/data.bin").read_bytes() == other


class Once(list):
    """One break, after which something happens."""

    def __init__(self, cut: int, then: object) -> None:
        super().__init__([cut])
        self.then = then

    def pop(self, index: int = -1) -> int:
        self.then()
        return super().pop(index)


@pytest.mark.parametrize(
    ("options", "keys", "message"),
    [
        ({"busy": [404]}, {}, "{url} is not there (404 Not Found); correct the url of data.bin in {where}"),
        (
            {"busy": [403]},
            {},
            "{url} gives no access (403 Forbidden); ask its owner, or log in where it is published",
        ),
        (
            {"busy": [503] * 9},
            {},
            "{url} answers 503 Service Unavailable; run again later",
        ),
        (
            {"type": "text/html; charset=utf-8"},
            {},
            "{url} sends a web page, not the file; correct its url or log in there",
        ),
        (
            {},
            {"size": 999_999},
            "{url} has 1000000 bytes, but {where} says 999999; correct the size there if the file was replaced and is "
            "the one you mean",
        ),
        (
            {"length": -1},
            {"size": 999_999},
            "{url} gave 1000000 bytes, but {where} says 999999 for data.bin; fetch again or correct the size",
        ),
        (
            {"length": 900_000},
            {"size": None},
            "data.bin from {url} has the SHA-256 {short}, but {where} says {sha256}; fetch again, or write that hash "
            "if the file is the one you mean",
        ),
        (
            {},
            {"sha256": "0" * 64},
            "data.bin from {url} has the SHA-256 {sha256}, but {where} says {zeros}; fetch again, or write that hash "
            "if the file is the one you mean",
        ),
    ],
)
def test_what_a_server_does_wrong_is_one_sentence_and_nothing_is_left(server, bring, tmp_path, options, keys, message):
    url = server.serve("/data.bin", CONTENT, **options)
    with pytest.raises(InputError) as caught:
        bring(**pinned(url, **keys))
    short = hashlib.sha256(CONTENT[:900_000]).hexdigest()
    where = tmp_path / "catalogue.yaml"
    assert str(caught.value) == message.format(url=url, where=where, sha256=SHA256, zeros="0" * 64, short=short)
    assert left(tmp_path) == {}


def test_a_web_page_that_calls_itself_a_file_is_known_by_its_first_bytes(server, bring, tmp_path):
    page = b"\n<!DOCTYPE html><html><body>please log in</body></html>"
    url = server.serve("/data.bin", page)
    with pytest.raises(InputError, match="sends a web page, not the file"):
        bring(trust=True, files=[{"url": url}])
    assert left(tmp_path) == {}


def test_a_server_that_is_down_is_one_sentence(bring, tmp_path):
    with pytest.raises(InputError) as caught:
        bring(**pinned("http://127.0.0.1:1/data.bin"))
    assert str(caught.value) == (
        "http://127.0.0.1:1/data.bin cannot be reached (ConnectionError); check the network, the proxy and that "
        "127.0.0.1:1 is up, or set RRLIB_MIRROR, and run again"
    )


def test_the_proxy_of_the_environment_is_used(server, bring, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    server.serve("http://far.example/data.bin", CONTENT)
    bring(**pinned("http://far.example/data.bin"))
    assert server.asked == [("http://far.example/data.bin", None)]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.safetensors", b"PK\x03\x04 torch.save wrote this archive", "a pickle"),
        ("model.safetensors", b"\x80\x02}q\x00.", "a pickle"),
        ("model.h5", b"PK\x03\x04 torch.save wrote this archive", "a pickle"),
        ("model.safetensors", (10**9).to_bytes(8, "little") + b'{"cut short', "something else"),
        ("faces.zip", b"Rar!\x1a\x07", "something else"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_not_kept(server, bring, tmp_path, name, content, kind):
    url = server.serve(f"/{name}", content)
    with pytest.raises(InputError) as caught:
        bring(**pinned(url, content))
    danger = ", and pickles can run code" if kind == "a pickle" else ""
    suffix = name.rpartition(".")[2]
    expected = f"{name} from {url} is {kind}, not the .{suffix} that its name says{danger}; it was not kept"
    assert str(caught.value) == expected
    assert left(tmp_path) == {}


def test_a_pickle_under_its_own_suffix_is_only_a_file(tmp_path):
    (tmp_path / "model.pth").write_bytes(b"PK\x03\x04 torch.save wrote this archive")
    assert disguise(tmp_path / "model.pth") == ""


def test_git_names_a_file_as_git_does(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_name(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"  # `git hash-object`


def test_a_file_without_a_hash_is_refused_with_the_line_that_pins_it_and_then_needs_no_second_download(
    server, bring, tmp_path
):
    url = server.serve("/data.bin", CONTENT)
    with pytest.raises(InputError) as caught:
        bring(files=[{"url": url}])
    where = tmp_path / "catalogue.yaml"
    assert str(caught.value) == (
        f"{where} has no sha256 for data.bin, which came with 1000000 bytes from {url}; if you trust it write "
        f"`sha256: {SHA256}` there, or run again with --trust-first-use"
    )
    assert left(tmp_path) == {"data.bin.part": len(CONTENT)}
    bring(**pinned(url))
    assert server.asked == [("/data.bin", None)]
    assert left(tmp_path) == {"data.bin": len(CONTENT)}


def test_trust_on_first_use_holds_the_file_to_its_first_hash(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT)
    where = tmp_path / "catalogue.yaml"
    assert bring(trust=True, files=[{"url": url}]) == [
        f"it: data.bin trusted on first use; to pin it, write `sha256: {SHA256}` in {where}",
        f"it: ready in {tmp_path / 'it'}",
    ]
    server.serve("/data.bin", b"another file")
    (tmp_path / "it/data.bin").unlink()
    with pytest.raises(InputError, match="has the SHA-256"):
        bring(trust=True, files=[{"url": url}])


def test_a_full_disk_is_one_sentence_and_leaves_no_file_under_its_final_name(server, entry, tmp_path):
    """A limit on file size stands in for the disk: writing fails at the same place, with the system's own word."""
    url = server.serve("/data.bin", CONTENT)
    entry(**pinned(url))
    code = (
        "import sys; from pathlib import Path; from rrlib.sources import catalogue, fetch\n"
        "fetch.fetch(catalogue.read(Path('catalogue.yaml'))['it'], Path('it'))"
    )
    command = f'ulimit -f 100; exec {sys.executable} -c "{code}"'
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "rrlib.errors.InputError: it/data.bin.part cannot be written ([Errno 27] File too large); "
        "free some space or give --to, and run again"
    )
    assert list(left(tmp_path)) == ["data.bin.part"]


def test_a_file_that_does_not_fit_is_refused_before_it_is_fetched(server, bring, tmp_path, monkeypatch):
    url = server.serve("/data.bin", CONTENT, length=10**18)
    with pytest.raises(InputError, match=r"bytes free, but data\.bin needs 1000000000000000000 more; free some space"):
        bring(trust=True, files=[{"url": url}])
    assert left(tmp_path) == {}


def test_a_server_is_asked_again_after_growing_waits():
    retries = _session(PATIENT).get_adapter("https://example.org").max_retries
    assert (retries.total, retries.backoff_factor) == (4, 0.5)
    assert set(retries.status_forcelist) == {429, 500, 502, 503, 504}
    assert retries.retry_after_max == 60


def test_a_server_that_always_breaks_after_a_byte_is_given_up(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, always=1)
    with pytest.raises(InputError) as caught:
        bring(**pinned(url))
    assert str(caught.value) == (
        f"{url} broke off after 3 bytes, 3 times in a row (ProtocolError); run again to go on from there"
    )
    assert len(server.asked) == 3


def test_a_server_that_breaks_after_enough_is_asked_on(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, always=200_000)
    bring(patience=Patience(attempts=3, backoff=0.001, step=200_000), **pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT
    assert len(server.asked) == 5


def test_a_byte_at_a_time_is_too_slow(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, drip=0.05)
    with pytest.raises(InputError) as caught:
        bring(patience=Patience(window=1), **pinned(url))
    said = re.fullmatch(
        rf"{url} sent (\d+) bytes in 1 s, where 1000 a second are the least; run again to go on from there, or set "
        "RRLIB_MIRROR",
        str(caught.value),
    )
    assert 5 <= int(said.group(1)) <= 25
    assert left(tmp_path) == {"data.bin.part": int(said.group(1))}


def test_a_file_may_take_only_so_long(server, bring, tmp_path):
    url = server.serve("/data.bin", CONTENT, drip=0.02)
    with pytest.raises(InputError) as caught:
        bring(patience=Patience(longest=0.5), **pinned(url))
    assert re.fullmatch(
        rf"{url} took more than 0\.5 s and is not whole \(\d+ bytes\); run again to go on from there",
        str(caught.value),
    )


def test_an_endless_body_without_a_size_is_bounded(server, bring, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "UNSAID", 500_000)
    url = server.serve("/data.bin", CONTENT, length=-1)
    with pytest.raises(InputError) as caught:
        bring(trust=True, files=[{"url": url}])
    assert str(caught.value) == (
        f"{url} has sent 500000 bytes and does not say how many there are; write the size of data.bin in "
        f"{tmp_path / 'catalogue.yaml'} if it is so large"
    )
    assert left(tmp_path) == {}


def test_a_body_without_a_size_does_not_fill_the_disk(server, bring, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(download, "LOOK", 200_000)
    monkeypatch.setattr(download, "RESERVE", 10 * free)
    url = server.serve("/data.bin", CONTENT, length=-1)
    with pytest.raises(
        InputError, match=rf"it has \d+ bytes free, but data\.bin needs {10 * free} more; free some space"
    ):
        bring(trust=True, files=[{"url": url}])
    assert left(tmp_path)["data.bin.part"] < 400_000


def test_a_file_that_comes_packed_though_it_was_not_asked_for_so_is_refused(server, bring, tmp_path):
    bomb = gzip.compress(bytes(1_000_000))
    url = server.serve("/data.bin", bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(InputError) as caught:
        bring(trust=True, files=[{"url": url}])
    assert str(caught.value) == (
        f"{url} sends the file packed as gzip, though it was asked for as it is; correct its url, or set RRLIB_MIRROR"
    )
    assert left(tmp_path) == {}


def test_a_packed_file_that_a_server_calls_so_lands_as_it_lies_there(server, bring, tmp_path):
    content = gzip.compress(CONTENT)
    bring(**pinned(server.serve("/data.csv.gz", content, headers={"Content-Encoding": "gzip"}), content))
    assert (tmp_path / "it/data.csv.gz").read_bytes() == content


def test_a_body_in_chunks_lands_whole(server, bring, tmp_path):
    chunks = (
        b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (CONTENT[:70_000], CONTENT[70_000:])) + b"0\r\n\r\n"
    )
    url = server.serve("/data.bin", chunks, length=-1, headers={"Transfer-Encoding": "chunked"})
    bring(**pinned(url))
    assert (tmp_path / "it/data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("proxy", [False, True])
def test_headers_that_come_a_byte_at_a_time_are_not_waited_for(bring, monkeypatch, proxy):
    monkeypatch.setattr(download, "HEAD", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError), connection:
                    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.05)

    threading.Thread(target=answer, daemon=True).start()
    url = "http://far.example/data.bin" if proxy else f"{address}/data.bin"
    if proxy:
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
    begun = time.monotonic()
    with listening, pytest.raises(InputError, match=rf"^{url} cannot be reached \(\w+\); check the network"):
        bring(patience=Patience(attempts=2, backoff=0.01), **pinned(url))
    assert time.monotonic() - begun < 5
