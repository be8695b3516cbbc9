"""What goes wrong between here and a hub: which failures pass, how long to wait, and what to tell the user.

The one idea: a failure is known by what it holds (a response's status and headers, the operating system's error at the
end of its chain of causes, the name of its class), never by the class itself. huggingface_hub raises those of requests
before 1.0, of httpx before 2.0 and of httpx2 since; their names and chains agree.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from visavis.errors import VisavisError

PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before each further try; a failure after the last pause is final
LONGEST_PAUSE_S = 60.0  # a hub that asks for more patience than this is an error that says so
ENOUGH_BYTES = 1 << 20  # that arrived in a try which failed: the next failure counts as the first again

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# Names of classes, in the spelling of httpx and in that of requests.
NO_WAY = {"ConnectTimeout", "ProxyError"}
NO_WEB_ADDRESS = {"UnsupportedProtocol", "InvalidURL", "InvalidSchema", "MissingSchema", "LocationParseError"}
OFFLINE, LOOP = "OfflineModeIsEnabled", "TooManyRedirects"

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is fetched, as messages name it.

    Attributes:
        name: The user's word for it.
        file: The file, inside its repository where it has one.
        repo: The repository; empty for a file that lies in none.
        address: The hub's, or the file's where it has no repository.
    """

    name: str
    file: str
    repo: str
    address: str

    @property
    def what(self) -> str:
        """Name, file and repository, as in "ViT-B-32.openai (model.safetensors of owner/name)"."""
        return f"{self.name} ({self.file} of {self.repo})" if self.repo else f"{self.name} ({self.file})"


class RefusedError(Exception):
    """A server answered with something else than the file; `response` has its status and headers."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


def retry(attempt: Callable[[], Result], subject: Subject, arrived: Callable[[], int] = lambda: 0) -> Result:
    """What `attempt` returns, tried again after failures that pass.

    Args:
        attempt: The work; safe to repeat.
        subject: For the message of the error.
        arrived: Bytes that have arrived; while they grow by `ENOUGH_BYTES` a try, there is no last one.

    Raises:
        VisavisError: The failure will not pass, or there were too many.
    """
    from huggingface_hub.errors import HfHubHTTPError

    # The bases of the hub's own error are the root of its HTTP library's errors, or OSError.
    passing: tuple[type[Exception], ...] = (OSError, RefusedError, *HfHubHTTPError.__bases__)
    failures, before = 0, arrived()
    while True:
        try:
            return attempt()
        except passing as error:
            now = arrived()
            failures = 1 if now - before >= ENOUGH_BYTES else failures + 1
            before = now
            pause = seconds_to_wait(error, failures, started=now > 0)
            if pause is None:
                raise explain(error, subject) from error
        time.sleep(pause)


def seconds_to_wait(error: Exception, failures: int, started: bool) -> float | None:
    """Seconds until the next try, or None where there is none.

    Args:
        error: Why the last try failed.
        failures: How many tries have failed, that one included.
        started: Whether anything has arrived: then a network that is gone may come back.
    """
    response = _refusal(error)
    if response is not None and response.status_code not in (408, 429) and response.status_code < 500:
        return None
    if response is None and not _passes(error, started):
        return None
    if failures > len(PAUSES_S):
        return None
    asked = seconds_asked_for(response.headers) if response is not None else None
    if asked is None:
        return PAUSES_S[failures - 1]
    return asked if asked <= LONGEST_PAUSE_S else None


def seconds_asked_for(headers: Mapping[str, str]) -> float | None:
    """What Retry-After (RFC 9110, section 10.2.3: seconds or a date) or the hub's RateLimit header asks to wait."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdigit():
        return float(asked)
    with contextlib.suppress(ValueError):
        date = parsedate_to_datetime(asked)
        zoned = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(0.0, (zoned - datetime.now(timezone.utc)).total_seconds())
    exhausted = re.search(r";\s*r=0\s*;\s*t=(\d+)", headers.get("RateLimit", ""))  # "resolvers";r=0;t=120
    return float(exhausted[1]) if exhausted else None


@contextlib.contextmanager
def storing(place: Path, variable: str) -> Iterator[None]:
    """Names the folder, and the variable that moves it, in the error of a write that fails.

    Raises:
        VisavisError: In place of an OSError of the operating system; those of HTTP libraries have no number and pass.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in NO_SPACE:
            raise VisavisError(
                f"The disk of {place.parent} is full. Free some space and run this again: what has arrived is kept. "
                f"Or set {variable} to a folder on another disk."
            ) from error
        raise VisavisError(
            f"Cannot write to {place.parent} ({error.strerror or error}). Set {variable} to a folder that takes files."
        ) from error


def explain(error: Exception, subject: Subject) -> VisavisError:
    """The one paragraph for a failure that is final."""
    response = _refusal(error)
    if response is not None:
        return VisavisError(_explain_status(response, subject))
    return VisavisError(_explain_connection(error, subject))


def _explain_status(response: Any, subject: Subject) -> str:
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    said = response.headers.get("X-Error-Message", "").rstrip(".")
    if status in (401, 403):
        return _explain_access(code, said, subject)
    if status == 404:
        return _explain_missing(code, subject)
    if status == 407:
        return f"Cannot fetch {subject.what}: the proxy wants a login. {_PROXY}"
    if status == 429:
        asked = seconds_asked_for(response.headers)
        wait = "a few minutes" if asked is None else f"{asked:.0f} seconds"
        return (
            f"Cannot fetch {subject.what} now: {subject.address} was asked too often (status 429). Wait {wait} and run "
            "this again: what has arrived is kept. With a token in HF_TOKEN the limit is higher."
        )
    if status >= 500:
        return (
            f"Cannot fetch {subject.what} now: {subject.address} has a fault of its own (status {status}) after "
            f"{len(PAUSES_S) + 1} tries. Run this again later: what has arrived is kept. HF_ENDPOINT may name a mirror."
        )
    return f"Cannot fetch {subject.what}: {subject.address} answers with status {status}{f' ({said})' if said else ''}."


def _explain_access(code: str, said: str, subject: Subject) -> str:
    page = f"{subject.address}/{subject.repo}"
    if code == "GatedRepo":
        return (
            f"{subject.what} is gated: its owners want their terms accepted. Sign in at {page}, accept them there, "
            "make a token that may read (Settings, Access Tokens), and set it: HF_TOKEN=hf_… or `hf auth login`."
        )
    if "Invalid credentials" in said:
        return (
            f"Cannot fetch {subject.what}: {subject.address} does not know the token that was sent. Make a new one and "
            "set it in HF_TOKEN, or unset HF_TOKEN and run `hf auth logout`: public files need none."
        )
    if code == "RepoNotFound":
        return _explain_missing(code, subject)
    return (
        f"{subject.address} does not let you have {subject.what}{f': {said}' if said else ''}. If it is private or "
        "gated, set HF_TOKEN to a token that may read it."
    )


def _explain_missing(code: str, subject: Subject) -> str:
    if code == "RepoNotFound":
        return (
            f"Cannot fetch {subject.what}: {subject.address} has no repository {subject.repo!r} that you may see. It "
            "was renamed or removed, or it is private: then set HF_TOKEN to a token that may read it. If HF_ENDPOINT "
            "names a mirror, that mirror may lack it."
        )
    if code == "RevisionNotFound":
        return f"Cannot fetch {subject.what}: the repository {subject.repo!r} has no branch or commit of that name."
    where = f"the repository {subject.repo!r} at {subject.address}" if subject.repo else subject.address
    return (
        f"Cannot fetch {subject.what}: there is no such file in {where} (status 404). It was renamed or removed; fetch "
        "it yourself and give its path in place of the name."
    )


def _explain_connection(error: Exception, subject: Subject) -> str:
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}

    def caused_by(kind: type[BaseException]) -> bool:
        return any(isinstance(link, kind) for link in chain)

    address = subject.address
    cases = (  # the first that holds
        (OFFLINE in names, "huggingface_hub was told to stay offline (HF_HUB_OFFLINE)."),
        (
            bool(names & NO_WEB_ADDRESS),
            f"{address} leads to an address that is not on the web ({error}). If HF_ENDPOINT is set, it must begin "
            "with https://; otherwise do not trust that server.",
        ),
        (LOOP in names, f"{address} redirects in a circle. A proxy's login page does so. {_PROXY}"),
        (
            caused_by(ssl.SSLCertVerificationError),
            f"the certificate of {address} is not trusted. Where a proxy reads the traffic, set SSL_CERT_FILE "
            "(REQUESTS_CA_BUNDLE for huggingface_hub before 1.0) to a file with its certificate.",
        ),
        ("ProxyError" in names, f"the proxy does not pass it on ({error}). {_PROXY}"),
        (caused_by(socket.gaierror), f"{address} is not found (no network, or no name server). {_PROXY}"),
        (
            caused_by(TimeoutError) or any("Timeout" in name for name in names),
            f"the connection to {address} stalled. Run this again: what has arrived is kept. "
            f"HF_HUB_DOWNLOAD_TIMEOUT is how many seconds of silence are borne. {_PROXY}",
        ),
        (caused_by(ConnectionRefusedError), f"nothing answers at {address}. {_PROXY}"),
        (
            True,
            f"the connection to {address} broke {len(PAUSES_S) + 1} times ({type(error).__name__}: {error}). Run this "
            f"again: what has arrived is kept. {_PROXY}",
        ),
    )
    return f"Cannot fetch {subject.what}: {next(text for holds, text in cases if holds)}"


_PROXY = (
    "Behind a proxy, set HTTPS_PROXY=http://user:password@host:port (and NO_PROXY for hosts that need none); where the "
    "hub cannot be reached, HF_ENDPOINT names a mirror."
)


def _passes(error: Exception, started: bool) -> bool:
    """Whether a failure without a response may be gone at the next try."""
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}
    if names & (NO_WEB_ADDRESS | {OFFLINE, LOOP}):
        return False
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        return False
    no_way = bool(names & NO_WAY) or any(isinstance(link, (socket.gaierror, ConnectionRefusedError)) for link in chain)
    return started or not no_way


def _refusal(error: Exception) -> Any:
    """The response that an error is about, or None. That of requests' TooManyRedirects is no refusal."""
    response = getattr(error, "response", None)
    return None if response is None or response.status_code < 400 else response


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, and what caused that."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
