"""A web server on this machine that does what servers do: break off, ignore ranges, lie about length, be busy."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from entry import ENTRY

from rrlib.sources import catalogue, fetch
from rrlib.sources.catalogue import Source
from rrlib.sources.download import Patience

QUICK = Patience(attempts=3, backoff=0.01)


@dataclass
class Answer:
    """How a path is answered. breaks: one entry per request, after how many bytes the connection is cut."""

    content: bytes
    breaks: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)  # statuses to give first
    ranges: bool = True
    length: int | None = None  # a lie, else the true length; -1 for none
    etag: str = '"one"'
    type: str = "application/octet-stream"
    status: int = 200
    shifted: int = 0  # a part that begins elsewhere than was asked
    pause: int | None = None  # after how many bytes to wait for `Server.released`
    headers: dict[str, str] = field(default_factory=dict)
    drip: float | None = None  # seconds between single bytes
    always: int | None = None  # after how many bytes every connection is cut


class Server:
    """paths: path → Answer; asked: (path, Range or None) of each request."""

    def __init__(self) -> None:
        self.paths: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        handler = type("Bound", (Handler,), {"server_state": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, path: str, content: bytes, **options: object) -> str:
        self.paths[path] = Answer(content, **options)
        return f"{self.url}{path}"


class Handler(BaseHTTPRequestHandler):
    server_state: Server

    def do_GET(self) -> None:
        path, wanted = self.path.partition("?")[0], self.headers.get("Range")
        self.server_state.asked.append((path, wanted))
        answer = self.server_state.paths.get(path)
        if answer is None:
            self.send_error(404)
            return
        if answer.busy:
            self.send_error(answer.busy.pop(0))
            return
        same = self.headers.get("If-Range", answer.etag) == answer.etag
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and answer.ranges and same else 0
        if start and start >= len(answer.content):
            self.send_error(416)
            return
        body = answer.content[start:]
        self.send_response(206 if start else answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.type)
        self.send_header("ETag", answer.etag)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start + answer.shifted}-{len(answer.content) - 1}/{len(answer.content)}"
            )
        if answer.length != -1:
            self.send_header("Content-Length", str(len(body) if answer.length is None else answer.length))
        self.end_headers()
        cut = answer.breaks.pop(0) if answer.breaks else len(body)
        self.close_connection = True
        with suppress(ConnectionError):  # the other end may have seen enough
            if answer.drip is not None:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(answer.drip)
                return
            if answer.always is not None:
                self.wfile.write(body[: answer.always])
                self.wfile.flush()
                return
            if answer.pause:
                self.wfile.write(body[: answer.pause])
                self.wfile.flush()
                self.server_state.released.wait(30)
                return
            self.wfile.write(body[:cut])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch) -> None:
    """Neither a mirror nor a proxy, a token nor a cache of the machine that runs the tests."""
    for name in ("RRLIB_MIRROR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def entry(tmp_path: Path) -> Callable[..., Source]:
    """entry(**keys): a source as a catalogue with these keys gives it."""

    def make(**keys: object) -> Source:
        path = tmp_path / "catalogue.yaml"
        path.write_text(yaml.safe_dump({"it": ENTRY | keys}))
        return catalogue.read(path)["it"]

    return make


@pytest.fixture
def bring(tmp_path: Path, entry: Callable[..., Source]) -> Callable[..., list[str]]:
    """bring(trust=False, **keys): fetch the source with these keys into tmp_path/it, without long waits."""

    def run(trust: bool = False, patience: Patience = QUICK, **keys: object) -> list[str]:
        return fetch.fetch(entry(**keys), tmp_path / "it", trust, patience)

    return run
