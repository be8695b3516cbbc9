"""A hub on loopback: what the real one answers, and every way in which it and the lines to it fail.

Two servers, because the real hub redirects to another host for the content of large files:

- the hub: HEAD and GET /OWNER/NAME/resolve/REVISION/FILE. A large file is a redirect (302) whose own headers state the
  commit (X-Repo-Commit), the checksum (X-Linked-ETag) and the size (X-Linked-Size), and a Xet hash; a small one is a
  relative redirect (307) to /api/resolve-cache/…, as seen in huggingface_hub's issues since 2025. Errors are told by
  status and X-Error-Code: RepoNotFound (401 without a token, 404 with one), GatedRepo (401, 403), EntryNotFound and
  RevisionNotFound (404);
- the content's host: ranges (206, 416), and an ETag that looks like a checksum but is none, as the real one has.

`faults` go wrong in their order, each once, at the first request that they fit.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000  # bytes from which a file is stored outside git
GOOD_TOKEN, STRANGERS_TOKEN = "hf_good", "hf_stranger"  # the second one's owner has not accepted any terms


Repos = dict[str, dict[str, bytes]]  # content by repository and file name


class Asked(NamedTuple):
    """One request that came in."""

    host: str
    method: str
    path: str
    headers: Message  # whose names match in upper and lower case


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong once.

    Attributes:
        host: Of the server: "hub" or "content".
        method: "HEAD" or "GET".
        status: The answer is this, with `headers`, instead.
        headers: Also sent where `status` is 200: then instead of the headers of a hub.
        after: The content ends after so many bytes: the connection is cut, or stalls.
        stall: It stalls until the server ends.
        flip: The byte at this offset is another one.
        surplus: So many bytes follow the content, and no length is announced.
        whole: The range that is asked for is ignored.
        shift: The range begins so many bytes late.
        longer: So many bytes more are announced than there are.
    """

    host: str = "content"
    method: str = "GET"
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None
    stall: bool = False
    flip: int | None = None
    surplus: int | None = None
    whole: bool = False
    shift: int = 0
    longer: int = 0


class LoopbackHub:
    """Files by repository and name, the faults to come, and the requests that came."""

    def __init__(self) -> None:
        self.history: dict[str, Repos] = {}
        self.main = COMMIT
        self.renamed: dict[str, str] = {}
        self.gated: set[str] = set()
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._servers = {host: _serve(host, self) for host in ("hub", "content")}

    def begin(self, repos: Repos) -> None:
        """A hub that holds these files and of which nothing was asked yet."""
        self.history, self.renamed, self.gated, self.faults, self.asked = {}, {}, set(), [], []
        self.commit(COMMIT, repos)

    def commit(self, commit: str, repos: Repos) -> None:
        """Other files in all repositories; those of earlier commits stay."""
        self.history[commit] = repos
        self.main = commit

    @property
    def repos(self) -> Repos:
        """The files of the newest commit."""
        return self.history[self.main]

    @repos.setter
    def repos(self, repos: Repos) -> None:
        self.history[self.main] = repos

    def address(self, host: str = "hub") -> str:
        name = "127.0.0.1" if host == "hub" else "localhost"  # the hub's client tells hosts apart by name
        return f"http://{name}:{self._servers[host].server_address[1]}"

    def requests(self, host: str, method: str = "GET") -> list[Asked]:
        return [asked for asked in self.asked if (asked.host, asked.method) == (host, method)]

    def next_fault(self, host: str, method: str) -> Fault:
        """The first fault that fits, which then is past; one in which nothing goes wrong if none does."""
        with self._lock:
            for fault in self.faults:
                if (fault.host, fault.method) == (host, method):
                    self.faults.remove(fault)
                    return fault
        return Fault()

    def content(self, sha256: str) -> bytes | None:
        repos = [files for repos in self.history.values() for files in repos.values()]
        contents = (content for files in repos for content in files.values())
        return next((content for content in contents if hashlib.sha256(content).hexdigest() == sha256), None)

    def close(self) -> None:
        self.ended.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def loopback_hub() -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    try:
        yield hub
    finally:
        hub.close()


def git_blob(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that were killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def _serve(host: str, hub: LoopbackHub) -> ThreadingHTTPServer:
    class Handler(_HubHandler if host == "hub" else _ContentHandler):  # type: ignore[misc]  # one of two classes
        pass

    Handler.host, Handler.hub = host, hub
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    host: str
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:  # the name that http.server calls
        self.do_GET()

    def do_GET(self) -> None:  # the name that http.server calls
        self.hub.asked.append(Asked(self.host, self.command, self.path, self.headers))
        fault = self.hub.next_fault(self.host, self.command)
        with contextlib.suppress(ConnectionError):  # the client was killed, or had enough
            if fault.status:
                self.reply(fault.status, fault.headers, b"<html>Something else.</html>")
            else:
                self.serve(urlsplit(self.path), fault)

    def serve(self, url, fault: Fault) -> None:
        raise NotImplementedError

    def reply(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


class _HubHandler(_Handler):
    def serve(self, url, fault: Fault) -> None:
        parts = [unquote(part) for part in url.path.split("/")]
        if parts[1:4] == ["api", "resolve-cache", "models"]:
            self._send_small("/".join(parts[4:6]), parts[6], "/".join(parts[7:]))
        elif len(parts) > 5 and parts[3] == "resolve":
            self._resolve("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self.reply(404, {"X-Error-Message": "Sorry, we can't find the page you are looking for."})

    def _resolve(self, repo: str, revision: str, filename: str) -> None:
        if repo in self.hub.renamed:
            self.reply(307, {"Location": f"/{self.hub.renamed[repo]}/resolve/{revision}/{quote(filename)}"})
            return
        revision = self.hub.main if revision == "main" else revision
        refusal = self._refusal(repo, revision, filename)
        if refusal is not None:
            status, code, message = refusal
            commit = {"X-Repo-Commit": revision} if code == "EntryNotFound" else {}
            self.reply(status, {"X-Error-Code": code, "X-Error-Message": message, **commit}, message.encode())
            return
        content = self.hub.history[revision][repo][filename]
        headers = {"X-Repo-Commit": revision, "RateLimit": '"resolvers";r=2998;t=172', "Accept-Ranges": "bytes"}
        if len(content) < LARGE:
            place = f"/api/resolve-cache/models/{repo}/{revision}/{quote(filename)}"
            self.reply(307, {**headers, "Location": f"{place}?etag=%22{git_blob(content)}%22"})
            return
        sha256 = hashlib.sha256(content).hexdigest()
        token_route = f"{self.hub.address()}/api/models/{repo}/xet-read-token/{revision}"
        headers |= {
            "ETag": f'"{git_blob(content)}"',
            "X-Linked-ETag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
            "X-Xet-Hash": hashlib.sha256(b"xet" + content).hexdigest(),
            "Link": f'<{token_route}>; rel="xet-auth"',
            "Location": f"{self.hub.address('content')}/xet-bridge/{sha256}?X-Amz-Signature=0a1b",
        }
        self.reply(302, headers)

    def _refusal(self, repo: str, revision: str, filename: str) -> tuple[int, str, str] | None:
        """Status, code and message, or None where the file may be had."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", GOOD_TOKEN, STRANGERS_TOKEN):
            return 401, "", "Invalid credentials in Authorization header"
        if repo not in self.hub.repos:
            return (404 if token else 401), "RepoNotFound", "Repository not found"
        if repo in self.hub.gated and token != GOOD_TOKEN:
            return (403 if token else 401), "GatedRepo", f"Access to model {repo} is restricted."
        if revision not in self.hub.history:
            return 404, "RevisionNotFound", f"Invalid rev id: {revision}"
        if filename not in self.hub.history[revision][repo]:
            return 404, "EntryNotFound", "Entry not found"
        return None

    def _send_small(self, repo: str, revision: str, filename: str) -> None:
        content = self.hub.history[revision][repo][filename]
        self.reply(200, {"X-Repo-Commit": revision, "ETag": f'"{git_blob(content)}"'}, content)


class _ContentHandler(_Handler):
    def serve(self, url, fault: Fault) -> None:
        content = self.hub.content(url.path.rpartition("/")[2])
        if content is None:  # a file by address
            files = {name: content for files in self.hub.repos.values() for name, content in files.items()}
            content = files.get(url.path.rpartition("/")[2])
        if content is None:
            self.reply(404, {}, b"no such key")
            return
        asked = self.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        start = 0 if fault.whole or not asked else int(asked) + fault.shift
        headers = {"ETag": f'"{hashlib.sha256(b"elsewhere" + content).hexdigest()}"', "Accept-Ranges": "bytes"}
        if start >= len(content):
            self.reply(416, {**headers, "Content-Range": f"bytes */{len(content)}"}, b"<Error>InvalidRange</Error>")
            return
        if asked and not fault.whole:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(content, start, headers, fault)

    def _send(self, content: bytes, start: int, headers: dict[str, str], fault: Fault) -> None:
        """The content from an offset on, or what `fault` makes of it."""
        body = bytearray(content)
        if fault.flip is not None:
            body[fault.flip] ^= 1
        self.send_response(206 if "Content-Range" in headers else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.close_connection = True
        if fault.surplus is None:
            self.send_header("Content-Length", str(len(body) - start + fault.longer))
        self.end_headers()
        body += bytes(fault.surplus or 0)
        self.wfile.write(body[start:] if fault.after is None else body[start : start + fault.after])
        if fault.stall:
            self.wfile.flush()
            self.hub.ended.wait(60)
