"""One file, from a URL to its final name: it goes on where it broke off, and lands only when it is what was meant."""

import errno
import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3
from requests.adapters import HTTPAdapter, Retry
from tqdm import tqdm

from rrlib.errors import InputError
from rrlib.sources.catalogue import File
from rrlib.sources.verify import matches, verify

CHUNK = 1 << 16
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces
HEAD = 60  # seconds until the head of an answer must be there
LONGEST = 60  # seconds, however long a busy server asks to wait
MIRROR = "RRLIB_MIRROR"  # the environment variable that names another place of all files
BUSY = (429, 500, 502, 503, 504)
UNSAID = 20_000_000_000  # bytes, the most that is taken of a file whose size neither catalogue nor server says
RESERVE = 500_000_000  # bytes of the disk that a file of unknown size leaves free
LOOK = 64_000_000  # bytes, after which free space is looked at again
PACKED = (".gz", ".tgz")  # servers call such files "encoded", and send them as they lie there


@dataclass(frozen=True)
class Patience:
    """What a server may do before it is given up.

    `attempts`: how often in a row it may break off, with fewer than `step` bytes between; waits grow as backoff · 2ⁿ
    seconds. `slowest`: bytes a second, on average over `window` seconds. `longest`: seconds for one file in all.
    """

    attempts: int = 5
    backoff: float = 0.5
    step: int = 1 << 20
    slowest: float = 1000
    window: float = 60
    longest: float = 86_400


PATIENT = Patience()


@dataclass(frozen=True)
class Request:
    """What to fetch: the file, the catalogue that names it (for messages), and headers for its server."""

    file: File
    where: str
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = PATIENT


def land(request: Request, folder: Path, trust: bool = False) -> str:
    """Bring one file into `folder` under its name; returns its SHA-256. Nothing is transferred if it lies there whole.

    While it comes it is `NAME.part`, and a next run continues that one. Proxies are those of HTTP_PROXY, HTTPS_PROXY
    and NO_PROXY. A file without a known hash is accepted only with `trust`; it is never continued by a next run, since
    nothing would tell if the server's file has changed between.

    Raises InputError if the file is not there, is not what the catalogue says, or cannot be transferred or written.
    """
    file = request.file
    target, part = folder / file.name, folder / f"{file.name}.part"
    if matches(target, file):
        return verify(target, file, request.where, trust)
    folder.mkdir(parents=True, exist_ok=True)
    if not matches(part, file):
        try:
            (_copy if urlsplit(file.url).scheme == "file" else _transfer)(request, part)
        except OSError as error:
            raise _unwritable(part, error) from None
    found = verify(part, file, request.where, trust)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(part, target)
    return found


def _copy(request: Request, part: Path) -> None:
    source = Path(url2pathname(urlsplit(request.file.url).path))
    if not source.is_file():
        raise InputError(f"{source} is not a file; {_remedy(request)}")
    _check_space(part, source.stat().st_size)
    shutil.copyfile(source, part)


def _transfer(request: Request, part: Path) -> None:
    file, patience = request.file, request.patience
    pinned = bool(file.sha256 or file.git)
    failures, validator, begun = 0, "", time.monotonic()
    with _session(patience) as session:
        while True:
            if not (pinned or validator):  # nothing would tell that the rest is of another file
                part.unlink(missing_ok=True)
            before = _size(part)
            with _open(session, request, before, validator) as response:
                # the part is not the file, but as long or longer: it is not the file's beginning
                if response.status_code == 416 and before:
                    part.unlink()
                    continue
                start = before if response.status_code == 206 else 0
                validator = _validator(response)
                _check_answer(response, request, part, start)
                try:
                    _append(response, part, start, request, begun)
                    return
                except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                    # a byte each time would keep a server going for ever
                    failures = 1 if _size(part) >= before + patience.step else failures + 1
                    if failures >= patience.attempts:
                        raise InputError(
                            f"{file.url} broke off after {_size(part)} bytes, {failures} times in a row "
                            f"({type(error).__name__}); {_again(request)}"
                        ) from None
            time.sleep(patience.backoff * 2 ** (failures - 1))


def _again(request: Request) -> str:
    return "run again to go on from there" if request.file.sha256 or request.file.git else "run again"


class _Watched(urllib3.connection.HTTPConnection):
    """A connection that is cut if the head of an answer has not come after `HEAD` seconds.

    A time-out counts from byte to byte, so that a server may take a minute for each byte of its headers.
    """

    def getresponse(self) -> Any:  # urllib3 gives another class than http.client, which it derives from, declares
        """The answer, up to its body."""
        watch = threading.Timer(HEAD, self._cut)
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()

    def _cut(self) -> None:
        with suppress(OSError, AttributeError):  # it may have ended just now
            self.sock.shutdown(socket.SHUT_RDWR)


class _WatchedTLS(_Watched, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolTLS(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class _Adapter(HTTPAdapter):
    """Whose connections are watched, through a proxy too."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> urllib3.connectionpool.ConnectionPool:
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
        return super().get_connection_with_tls_context(*arguments, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        """The manager of that proxy's connections."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}
        return manager


def _session(patience: Patience) -> requests.Session:
    session = requests.Session()
    retry = Retry(
        patience.attempts - 1,
        backoff_factor=patience.backoff,
        status_forcelist=BUSY,
        raise_on_status=False,
        retry_after_max=LONGEST,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=retry))
    return session


def _validator(response: requests.Response) -> str:
    """What names this very version of the file: a strong ETag, or empty."""
    tag = response.headers.get("ETag", "")
    return "" if tag.startswith("W/") else tag


def _open(session: requests.Session, request: Request, start: int, validator: str) -> requests.Response:
    # a compressed answer could not be continued, since its bytes are not the file's
    headers = {**request.headers, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and validator:
        headers["If-Range"] = validator
    try:
        return session.get(request.file.url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.RequestException as error:
        host = urlsplit(request.file.url).netloc
        raise InputError(
            f"{request.file.url} cannot be reached ({type(error).__name__}); check the network, the proxy and that "
            f"{host} is up, or set {MIRROR}, and run again"
        ) from None


def _check_answer(response: requests.Response, request: Request, part: Path, start: int) -> None:
    file, status = request.file, f"{response.status_code} {response.reason}"
    if response.status_code in BUSY:
        raise InputError(f"{file.url} answers {status}; run again later")
    if response.status_code in (401, 403):
        raise InputError(f"{file.url} gives no access ({status}); ask its owner, or log in where it is published")
    if response.status_code >= 400:
        raise InputError(f"{file.url} is not there ({status}); {_remedy(request)}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity" and not file.name.endswith(PACKED):
        raise InputError(
            f"{file.url} sends the file packed as {encoding}, though it was asked for as it is; correct its url, or "
            f"set {MIRROR}"
        )
    if response.headers.get("Content-Type", "").startswith("text/html") and not file.name.endswith((".html", ".htm")):
        raise InputError(f"{file.url} sends a web page, not the file; correct its url or log in there")
    sent = response.headers.get("Content-Range", "").partition(" ")[2]
    if response.status_code == 206 and not sent.startswith(f"{start}-"):
        part.unlink(missing_ok=True)
        raise InputError(f"{file.url} was asked to go on at byte {start} but sends {sent or 'no range'}; run again")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal():
        total = start + int(length)
        if file.size is not None and total != file.size:
            part.unlink(missing_ok=True)
            raise InputError(
                f"{file.url} has {total} bytes, but {request.where} says {file.size}; correct the size there if the "
                "file was replaced and is the one you mean"
            )
        _check_space(part, total - start)


def _append(response: requests.Response, part: Path, start: int, request: Request, begun: float) -> None:
    """Write what comes behind `start`; raises InputError where it is too slow, too long or too much."""
    file, patience = request.file, request.patience
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else file.size
    progress = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=file.name, disable=None, leave=False)
    since, came, looked = time.monotonic(), 0, start
    with progress, part.open("ab" if start else "wb") as out:
        # what there is, without waiting for a whole piece, and the file's bytes, not what a library unpacks from them
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            out.write(chunk)
            progress.update(len(chunk))
            came += len(chunk)
            if file.size is not None and out.tell() > file.size:
                break  # more than there should be; the check that follows says so
            if total is None and out.tell() > UNSAID:
                part.unlink()
                raise InputError(
                    f"{file.url} has sent {UNSAID} bytes and does not say how many there are; write the size of "
                    f"{file.name} in {request.where} if it is so large"
                )
            if total is None and out.tell() >= looked + LOOK:
                looked = out.tell()
                _check_space(part, RESERVE)
            now = time.monotonic()
            if now - begun > patience.longest:
                raise InputError(
                    f"{file.url} took more than {patience.longest:g} s and is not whole ({out.tell()} bytes); "
                    f"{_again(request)}"
                )
            if now - since > patience.window:
                if came < patience.slowest * (now - since):
                    raise InputError(
                        f"{file.url} sent {came} bytes in {now - since:.0f} s, where {patience.slowest:g} a second are "
                        f"the least; {_again(request)}, or set {MIRROR}"
                    )
                since, came = now, 0
        if total is not None and out.tell() < total:
            raise requests.ConnectionError("the answer ended early")  # a server that gives no length may just stop


def _remedy(request: Request) -> str:
    if os.environ.get(MIRROR):
        return f"put it there, or set {MIRROR} to where it is, or to nothing"
    return f"correct the url of {request.file.name} in {request.where}"


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(
            f"{part.parent} has {free} bytes free, but {part.stem} needs {needed} more; free some space or give --to"
        )


def _unwritable(part: Path, error: OSError) -> InputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "free some space or give --to, and run again" if full else "correct that or give --to"
    return InputError(f"{part} cannot be written ({error}); {advice}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
