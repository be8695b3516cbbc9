"""One file over HTTP into its place: resumed after a cut or a kill, bounded, retried, and checked before it counts.

The one idea: what has arrived lies beside the place in a file of its own, and each byte is written at its own offset.
So processes that fetch the same file at once write the same bytes to the same offsets, even on file systems whose locks
do nothing; and the file takes its place only once its checksum is right.

huggingface_hub starts anew after every failure since 1.18 (its pull request 4306), and compares sizes but no checksums
(its issue 3643). Its session is used here, so that proxies, certificates and offline mode are as it was told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from visavis.errors import VisavisError
from visavis.zoo.cached import BLOCK, Checksum
from visavis.zoo.hub_errors import RefusedError, Subject, retry, storing

INCOMPLETE = ".visavis.incomplete"  # behind the name of the file that has not arrived yet
MEGABYTE = 1_000_000

# Called with what is fetched, how many megabytes have arrived, and how many there are.
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to fetch.

    Attributes:
        subject: How messages name it.
        url: Where it is asked for; redirects are followed.
        headers: Of the request; Authorization stays with the host of `url`.
        size: In bytes; None where only the server's answer tells.
        checksum: What it must add up to.
        place: Where it goes; its folder exists.
        variable: The environment variable that moves that folder.
    """

    subject: Subject
    url: str
    headers: Mapping[str, str]
    size: int | None
    checksum: Checksum
    place: Path
    variable: str


def download(wanted: Wanted, on_progress: OnProgress) -> None:
    """Fetches a file; what an earlier call left behind is continued.

    Raises:
        VisavisError: It could not be had, is not what it should be, or has no room.
    """
    part = _attempt(wanted, on_progress)
    if not part.is_right and part.was_here:  # then it may be the older bytes that are wrong
        part = _attempt(wanted, on_progress)
    if not part.is_right:
        raise VisavisError(
            f"What arrived as {wanted.subject.what} is not what {wanted.subject.address} states: its "
            f"{wanted.checksum.kind} checksum is {part.checksum}, not {wanted.checksum.start}. It was removed. Run "
            "this again; if that does not help, a proxy or mirror alters files: look at HTTPS_PROXY and HF_ENDPOINT."
        )


def _attempt(wanted: Wanted, on_progress: OnProgress) -> _Part:
    """All bytes of the file, in their place if they are right, else removed."""
    with contextlib.closing(_Part(wanted)) as part:
        if wanted.size is None or part.size < wanted.size:
            retry(partial(_fill, wanted, part, on_progress), wanted.subject, arrived=lambda: part.size)
        if part.is_right:
            part.finish()
        else:
            part.remove()
    return part


class _Part:
    """The bytes of a file that have arrived, and their checksum so far.

    The file stays open: once another process has finished it and moved it away, its name may stand for a newer one.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.path = wanted.place.with_name(wanted.place.name + INCOMPLETE)
        self.restart()
        with self._storing():
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self._stream = os.fdopen(descriptor, "r+b", buffering=0)
            if wanted.size is not None and os.fstat(self._stream.fileno()).st_size > wanted.size:
                self._stream.truncate(0)
            for block in iter(lambda: self._stream.read(BLOCK), b""):
                self._count(block)
        self.was_here = self.size > 0

    def restart(self) -> None:
        """Begins anew; what lies in the file stays until it is written over."""
        self.size = 0
        self._hash = self.wanted.checksum.begin(self.wanted.size)

    @property
    def checksum(self) -> str:
        """Of what has arrived, in as many digits as are known of the right one."""
        return self._hash.hexdigest()[: len(self.wanted.checksum.start)]

    @property
    def is_right(self) -> bool:
        """Whether it adds up."""
        return self.checksum == self.wanted.checksum.start

    def append(self, chunk: bytes) -> None:
        """Writes what arrived next."""
        with self._storing():
            self._stream.seek(self.size)
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._stream.write(rest) :]
        self._count(chunk)

    def finish(self) -> None:
        """Moves the file to its place, unless another process did."""
        with self._storing():
            self._stream.truncate(self.size)
            is_ours = self._is_at(self.path)
            self.close()  # Windows moves no open file
            with contextlib.suppress(FileNotFoundError):  # or another process does, in this very moment
                if is_ours:
                    os.replace(self.path, self.wanted.place)
            if not self.wanted.place.is_file():
                raise FileNotFoundError(errno.ENOENT, "the unfinished file was removed meanwhile")

    def remove(self) -> None:
        """Deletes the file, also where another process took it for whole."""
        with self._storing():
            found = [path for path in (self.path, self.wanted.place) if self._is_at(path)]
            self.close()
            for path in found:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the file; what has arrived stays."""
        self._stream.close()

    def _is_at(self, path: Path) -> bool:
        """Whether a path still means the file that is open."""
        return path.is_file() and os.path.samestat(os.fstat(self._stream.fileno()), path.stat())

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.size += len(chunk)

    def _storing(self) -> contextlib.AbstractContextManager[None]:
        return storing(self.wanted.place, self.wanted.variable)


def _fill(wanted: Wanted, part: _Part, on_progress: OnProgress) -> None:
    """One request for what is missing; returns when all has arrived.

    Raises:
        VisavisError: The server sends something else, or there is no room for it.
        RefusedError: The server answers with an error.
    """
    headers = {**wanted.headers, "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    with _respond(wanted.url, headers) as (response, chunks):
        total = _agree(wanted, part, response)
        if part.size == total:
            return
        _check_room(wanted, total - part.size)
        _show(wanted, part.size, total, on_progress)
        for chunk in chunks:
            if part.size + len(chunk) > total:
                part.remove()
                raise VisavisError(
                    f"{wanted.subject.address} sends more than the {total} bytes that it states for "
                    f"{wanted.subject.what}. What arrived was removed. Do not trust that server."
                )
            part.append(chunk)
            _show(wanted, part.size, total, on_progress)
    if part.size < total:
        raise ConnectionError(f"cut after {part.size} of {total} bytes")


def _show(wanted: Wanted, done: int, total: int, on_progress: OnProgress) -> None:
    """Reports bytes as megabytes; the last one counts only once it is whole."""
    megabytes = -(-total // MEGABYTE)
    on_progress(f"fetching {wanted.subject.name}, MB", megabytes if done == total else done // MEGABYTE, megabytes)


def _agree(wanted: Wanted, part: _Part, response: Any) -> int:
    """The size of the whole file in bytes; `part` begins anew where the server does.

    Raises:
        VisavisError: The server has a file of another size, or does not say of which.
        RefusedError: The server answers with an error.
        ConnectionError: The server answers with another range than it was asked for.
    """
    status, headers = response.status_code, response.headers
    span = re.match(r"bytes (?:(\d+)-\d+|\*)/(\d+)", headers.get("Content-Range", ""))
    if status == 416 or (status == 206 and (span is None or span[1] is None or int(span[1]) != part.size)):
        if status == 416 and span is not None and int(span[2]) == part.size:
            return part.size  # all had arrived before
        part.restart()
        raise ConnectionError(f"status {status} with the range {headers.get('Content-Range')!r}")
    if status not in (200, 206):
        raise RefusedError(response)
    announced = int(span[2]) if status == 206 and span is not None else _content_length(headers)
    if status == 200:
        part.restart()
    total = announced if wanted.size is None else wanted.size
    if total is None:
        raise VisavisError(f"Cannot fetch {wanted.subject.what}: {wanted.subject.address} does not state its size.")
    if announced is not None and announced != total:
        raise VisavisError(
            f"Cannot fetch {wanted.subject.what}: {total} bytes are stated, but {announced} would be sent. A proxy's "
            "login page or a broken mirror does so: look at HTTPS_PROXY and HF_ENDPOINT."
        )
    return total


def _content_length(headers: Mapping[str, str]) -> int | None:
    """The size of the file in a whole answer; None where it was not said, or packed for the way."""
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() and headers.get("Content-Encoding", "identity") == "identity" else None


def _check_room(wanted: Wanted, missing: int) -> None:
    """Raises VisavisError where the disk has less room than `missing` bytes."""
    folder = wanted.place.parent
    free = shutil.disk_usage(folder).free
    if free < missing:
        raise VisavisError(
            f"No room for {wanted.subject.what}: {missing} bytes are needed and {free} are free at {folder}. Free some "
            f"space, or set {wanted.variable} to a folder on another disk."
        )


@contextlib.contextmanager
def _respond(url: str, headers: Mapping[str, str]) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """A response and its body in pieces, through huggingface_hub's session."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    session: Any = get_session()
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    if callable(session.stream):  # httpx, from huggingface_hub 1.0
        with session.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as response:
            yield response, response.iter_bytes()
    else:  # requests
        with session.get(url, headers=headers, timeout=timeout, stream=True) as response:
            yield response, response.iter_content(1 << 16)
