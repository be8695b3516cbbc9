"""Published weights on this machine, wherever some library put them.

The one idea: the caches are shared. What open_clip, timm and transformers fetched lies in huggingface_hub's cache; what
torchvision, older timm and older open_clip fetched by address lies in torch.hub's folder or in ~/.cache/clip. A file in
one of them is used as it is, without a look at the network and without importing huggingface_hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from visavis.errors import UsageError
from visavis.zoo.published import Published

BLOCK = 1 << 20  # bytes read at once
REVISION = "main"
REPO = re.compile(r"(?!.{97})(?!.*(--|\.\.|\.git$))[A-Za-z0-9]([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
NAME = r"\w[\w. +=@-]*"  # no "..", no drive, no slash either way
FILENAME = re.compile(f"{NAME}(/{NAME})*", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
HUB_VARIABLE, TORCH_VARIABLE = "HF_HUB_CACHE", "TORCH_HOME"


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """What the bytes of a file must add up to.

    Attributes:
        kind: "sha256", or "git" for git's name of a blob: SHA-1 over "blob", the size, a zero byte, and the bytes.
        start: Hexadecimal digits with which it starts; torchvision's file names carry the first eight.
    """

    kind: Literal["sha256", "git"]
    start: str

    def begin(self, size: int | None) -> hashlib._Hash:
        """A hash that no byte has entered yet; git's wants the file's size in bytes."""
        return hashlib.sha256() if self.kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode())

    def matches_file(self, path: Path) -> bool:
        """Whether a file adds up. Raises OSError as reading does."""
        found = self.begin(path.stat().st_size)
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(BLOCK), b""):
                found.update(block)
        return found.hexdigest().startswith(self.start)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """Where the weights of one checkpoint are published.

    Attributes:
        name: What the user calls it.
        repo: Its repository on the hub, "owner/name"; empty where it lies in none.
        filenames: In that repository, in the order of preference; the hub need not have all.
        url: The same weights by address; with a repository, only a place where they may have been fetched from before.

    Raises:
        UsageError: A part could lead out of the cache, or nothing says where the file is.
    """

    name: str
    repo: str = ""
    filenames: tuple[str, ...] = ()
    url: str = ""

    def __post_init__(self) -> None:
        if self.repo and not REPO.fullmatch(self.repo):
            raise UsageError(f"{self.repo!r} cannot be a repository on a hub: those are named like 'owner/name'.")
        for filename in self.filenames:
            if not FILENAME.fullmatch(filename):
                raise UsageError(f"{filename!r} cannot be a file of a repository: no '..', no absolute path.")
        if self.url and not (re.match("https?://", self.url) and re.fullmatch(NAME, self.url_name, re.ASCII)):
            raise UsageError(f"{self.url!r} cannot be fetched: it must begin with https:// and end in a file's name.")
        if not (self.repo and self.filenames) and not self.url:
            raise UsageError(f"Nothing says where {self.name} is published: neither a repository with files nor a URL.")

    @property
    def url_name(self) -> str:
        """The file's name in a folder, from its address."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def url_checksum(self) -> Checksum | None:
        """What the address says of the content (torchvision: name-1a2b3c4d.pth, OpenAI: SHA256/name.pt), or None."""
        *_, folder, name = ("", *urlsplit(self.url).path.split("/"))
        ending = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
        digits = ending[1] if ending else folder if SHA256.fullmatch(folder) else ""
        return Checksum(kind="sha256", start=digits) if digits else None


def remote_file(row: Published) -> RemoteFile:
    """Where the weights of a row of the catalogue are published."""
    return RemoteFile(name=row.name, repo=row.repo, filenames=row.filenames if row.repo else (), url=row.url)


def find_cached(file: RemoteFile) -> Path | None:
    """The file where some library put it on this machine, or None. The network and huggingface_hub are left alone."""
    return next((path for path in places(file) if os.path.isfile(path)), None)  # False also where it may not be read


def cached_names(rows: Iterable[Published]) -> set[str]:
    """Names of the rows whose weights are on this machine."""
    return {row.name for row in rows if find_cached(remote_file(row)) is not None}


def hub_cache() -> Path:
    """huggingface_hub's folder, which open_clip, timm and transformers share."""
    explicit = os.environ.get(HUB_VARIABLE) or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return _path(explicit) if explicit else _path(os.environ.get("HF_HOME") or f"{_caches()}/huggingface") / "hub"


def torch_checkpoints() -> Path:
    """torch.hub's folder, which torchvision uses, and timm for files without a repository."""
    return Path(os.environ.get(TORCH_VARIABLE) or f"{_caches()}/torch").expanduser() / "hub" / "checkpoints"


def clip_cache() -> Path:
    """The folder of OpenAI's package, and of open_clip for files without a repository."""
    return Path("~/.cache/clip").expanduser()


def _caches() -> str:
    return os.environ.get("XDG_CACHE_HOME") or "~/.cache"


def _path(text: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(text)))


def places(file: RemoteFile) -> Iterator[Path]:
    """Where some library may have put the file, in the order of preference."""
    folder = repo_folder(file)
    commit = ""
    with contextlib.suppress(OSError):
        commit = (folder / "refs" / REVISION).read_text("utf-8", "replace").strip()
    if COMMIT.fullmatch(commit):
        yield from (folder / "snapshots" / commit / filename for filename in file.filenames)
    if file.url:
        yield torch_checkpoints() / file.url_name
        yield clip_cache() / file.url_name


def repo_folder(file: RemoteFile) -> Path:
    """huggingface_hub's folder for a repository (its guide "Understand caching")."""
    return hub_cache() / f"models--{file.repo.replace('/', '--')}"
