"""Published weights fetched to where every other library finds them too.

The one idea: nobody downloads a file twice. What any library put on this machine is used; what is fetched goes into
huggingface_hub's cache under the names that it gives, or into torch.hub's folder for the few without a repository.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from visavis.errors import UsageError, VisavisError, did_you_mean
from visavis.zoo.cached import (
    COMMIT,
    HUB_VARIABLE,
    REVISION,
    SHA256,
    TORCH_VARIABLE,
    Checksum,
    RemoteFile,
    clip_cache,
    find_cached,
    hub_cache,
    places,
    remote_file,
    repo_folder,
    torch_checkpoints,
)
from visavis.zoo.download import OnProgress, Wanted, download
from visavis.zoo.hub_errors import Subject, explain, retry, storing
from visavis.zoo.published import Published, find_published, read_published


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What became of one name: the file, and whether it lay there before."""

    name: str
    path: Path
    was_cached: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size


def fetch_published(names: Iterable[str], on_progress: OnProgress = lambda *_: None) -> list[Fetched]:
    """Weights of the catalogue, brought to this machine one after the other.

    Args:
        names: As `find_published` understands them; all are looked up before the first is fetched.
        on_progress: Called with the name, megabytes that have arrived, and megabytes in all.

    Raises:
        UsageError: A name is not in the catalogue.
        VisavisError: One could not be had; those before it are there.
    """
    rows = [_row(name) for name in names]
    done = []
    for row in rows:
        file = remote_file(row)
        was_cached = find_cached(file) is not None
        done.append(Fetched(name=row.name, path=fetch(file, on_progress), was_cached=was_cached))
    return done


def fetch(file: RemoteFile, on_progress: OnProgress = lambda *_: None) -> Path:
    """The file on this machine, fetched if it is not there.

    Args:
        file: Where it is published.
        on_progress: Called with its name, megabytes that have arrived, and megabytes in all; not where it was there.

    Raises:
        VisavisError: It is not there, and the network is forbidden or fails; the message says what to do.
    """
    for path in places(file):
        if os.path.isfile(path) and _is_whole(path, file):
            return path
    if is_offline():
        raise VisavisError(_explain_offline(file))
    return _fetch_from_hub(file, on_progress) if file.repo else _fetch_by_url(file, on_progress)


def is_offline() -> bool:
    """Whether the user forbids the network, in huggingface_hub's words."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in ("1", "ON", "YES", "TRUE")


def _row(name: str) -> Published:
    row = find_published(name)
    if row is None:
        hint = did_you_mean(name, read_published())
        raise UsageError(f"No published weights are called {name!r}. {hint} `visavis list` shows all names.")
    return row


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """False for half a file: OpenAI's package and older open_clip write under the final name while they fetch."""
    checksum = file.url_checksum
    return path.parent != clip_cache() or checksum is None or checksum.matches_file(path)


def _explain_offline(file: RemoteFile) -> str:
    place = repo_folder(file) if file.repo else torch_checkpoints() / file.url_name
    source = f"{_endpoint()}/{file.repo}" if file.repo else file.url
    return (
        f"{file.name} is not on this machine, and HF_HUB_OFFLINE forbids the network. Unset HF_HUB_OFFLINE; or run "
        f"`visavis fetch {file.name}` on a machine with a network and copy what it wrote (there under the same name as "
        f"here: {place}) to {place.parent}; or put the file from {source} anywhere and give its path as the name."
    )


def _endpoint() -> str:
    """The hub's address, without a slash at its end."""
    if explicit := os.environ.get("HF_ENDPOINT"):
        return explicit.rstrip("/")
    from huggingface_hub import constants

    return constants.ENDPOINT


def _fetch_from_hub(file: RemoteFile, on_progress: OnProgress) -> Path:
    """The first of the file's names that the repository has."""
    from huggingface_hub.utils import EntryNotFoundError

    missing: list[tuple[Exception, Subject]] = []
    for filename in file.filenames:
        subject = Subject(name=file.name, file=filename, repo=file.repo, address=_endpoint())
        try:
            stated = retry(partial(_describe, file, filename), subject)
        except VisavisError as error:
            if not isinstance(error.__cause__, EntryNotFoundError):
                raise
            missing.append((error.__cause__, subject))
        else:
            return _fetch_blob(file, stated, subject, on_progress)
    raise explain(*missing[0])


@dataclass(frozen=True)
class _Stated:
    """What the hub says of a file: the commit that has it, its name by content, its size in bytes."""

    commit: str
    etag: str
    size: int


def _describe(file: RemoteFile, filename: str) -> _Stated:
    """Asks the hub about a file. Raises VisavisError where the answer is none of a hub's."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(file.repo, filename, revision=REVISION, endpoint=_endpoint())
    found = get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT, **_caller())
    commit, etag, size = found.commit_hash or "", found.etag or "", found.size or 0
    # They become names of files and folders.
    if not COMMIT.fullmatch(commit) or not (COMMIT.fullmatch(etag) or SHA256.fullmatch(etag)) or size <= 0:
        raise VisavisError(
            f"Cannot fetch {file.name}: what answers at {_endpoint()} is not a hub (commit {commit!r}, checksum "
            f"{etag!r}, {size} bytes). A proxy's login page answers so too: look at HTTPS_PROXY and HF_ENDPOINT."
        )
    return _Stated(commit, etag, size)


def _fetch_blob(file: RemoteFile, stated: _Stated, subject: Subject, on_progress: OnProgress) -> Path:
    """Brings the content into the cache and gives it its name there."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    folder = repo_folder(file)
    blob = folder / "blobs" / stated.etag
    with _alone(blob, folder.parent / ".locks" / folder.name / f"{stated.etag}.lock", HUB_VARIABLE):
        if not blob.is_file():
            wanted = Wanted(
                subject=subject,
                url=hf_hub_url(file.repo, subject.file, revision=stated.commit, endpoint=subject.address),
                headers=build_hf_headers(**_caller()),
                size=stated.size,
                checksum=Checksum(kind="sha256" if SHA256.fullmatch(stated.etag) else "git", start=stated.etag),
                place=blob,
                variable=HUB_VARIABLE,
            )
            download(wanted, on_progress)
    return retry(partial(_name_in_cache, file, stated, subject, blob), subject)


def _name_in_cache(file: RemoteFile, stated: _Stated, subject: Subject, blob: Path) -> Path:
    """Lets huggingface_hub name what lies in its cache: it finds the content there and makes a link to it."""
    from huggingface_hub import hf_hub_download

    with storing(blob, HUB_VARIABLE):
        found = hf_hub_download(
            file.repo,
            subject.file,
            revision=stated.commit,
            cache_dir=hub_cache(),
            endpoint=subject.address,
            **_caller(),
        )
        path = Path(found)
        if not path.is_symlink():  # on systems without links it was copied
            blob.unlink(missing_ok=True)
        ref = repo_folder(file) / "refs" / REVISION
        ref.parent.mkdir(exist_ok=True)
        temporary = ref.with_name(f"{ref.name}.{uuid.uuid4().hex}.tmp")  # several threads may be here
        temporary.write_text(stated.commit, "utf-8")
        os.replace(temporary, ref)
    return path


def _fetch_by_url(file: RemoteFile, on_progress: OnProgress) -> Path:
    """Brings a file without a repository to where torch.hub looks for it."""
    checksum = file.url_checksum
    if checksum is None:
        raise VisavisError(
            f"{file.name} is not on this machine, and nothing says what {file.url} must contain. Fetch it yourself, if "
            "you trust it, and give its path in place of the name."
        )
    place = torch_checkpoints() / file.url_name
    with _alone(place, place.with_name(f".{place.name}.lock"), TORCH_VARIABLE):
        if not place.is_file():
            wanted = Wanted(
                subject=Subject(name=file.name, file=file.url_name, repo="", address=file.url),
                url=file.url,
                headers={},
                size=None,
                checksum=checksum,
                place=place,
                variable=TORCH_VARIABLE,
            )
            download(wanted, on_progress)
    return place


@contextlib.contextmanager
def _alone(place: Path, lock: Path, variable: str) -> Iterator[None]:
    """Makes the folders of a file and of its lock, and holds the lock; huggingface_hub takes the same ones."""
    from huggingface_hub.utils import WeakFileLock

    with contextlib.ExitStack() as stack:
        with storing(place, variable):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(WeakFileLock(lock))
        yield


class _Caller(TypedDict):
    library_name: str
    library_version: str


def _caller() -> _Caller:
    """How requests name their sender to the hub."""
    return {"library_name": "visavis", "library_version": version("visavis")}
