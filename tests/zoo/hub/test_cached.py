"""Weights on this machine are found wherever some library put them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_server import LoopbackHub
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from visavis.errors import UsageError
from visavis.zoo.cached import (
    REPO,
    RemoteFile,
    cached_names,
    clip_cache,
    find_cached,
    hub_cache,
    repo_folder,
    torch_checkpoints,
)
from visavis.zoo.hub import fetch, fetch_published
from visavis.zoo.published import list_published, read_published


def test_what_huggingface_hub_fetched_is_used_as_it_is(
    hub: LoopbackHub, file: RemoteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the loopback hub speaks plain HTTP alone
    theirs = Path(hf_hub_download(file.repo, file.filenames[0], cache_dir=hub_cache(), endpoint=hub.address()))
    hub.asked.clear()
    assert find_cached(file) == fetch(file) == theirs
    assert hub.asked == []


def test_files_by_address_are_found_where_torchvision_and_clip_put_them(home: Path, content: bytes) -> None:
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    by_address = RemoteFile(name="a", url=f"https://host.invalid/models/{name}")
    assert find_cached(by_address) is None
    for folder in (home / ".cache/clip", home / ".cache/torch/hub/checkpoints"):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        assert find_cached(by_address) == fetch(by_address) == folder / name


def test_half_a_file_of_clip_is_not_taken(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    """OpenAI's package writes under the final name while it downloads, so a kill leaves half a file there."""
    url = f"https://host.invalid/clip/models/{hashlib.sha256(content).hexdigest()}/ViT-X.pt"
    place = clip_cache() / "ViT-X.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(content[:1000])
    assert fetch(RemoteFile(name="ViT-X.openai", repo=file.repo, filenames=file.filenames, url=url)) != place
    place.write_bytes(content)
    assert fetch(RemoteFile(name="ViT-X.openai", url=url)) == place


def test_names_of_the_catalogue(hub: LoopbackHub, content: bytes) -> None:
    row = read_published()["ViT-B-32.openai"]
    hub.repos = {row.repo: {row.filename: content}}
    assert cached_names(read_published().values()) == set()
    [first] = fetch_published(["ViT-B/32"])
    [second] = fetch_published(["ViT-B-32.openai"])
    assert (first.name, first.was_cached, first.size) == ("ViT-B-32.openai", False, len(content))
    assert (second.path, second.was_cached) == (first.path, True)
    torch_checkpoints().mkdir(parents=True)
    (torch_checkpoints() / "vit_b_32-d86f8d99.pth").touch()
    assert cached_names(read_published().values()) == {"ViT-B-32.openai", "vit_b_32.IMAGENET1K_V1"}


def test_every_row_of_the_catalogue_says_where_it_is() -> None:
    assert cached_names(list_published()) == set()  # raises UsageError where a row cannot be fetched
    names = [row.url.rpartition("/")[2] for row in list_published() if row.url]
    assert len(set(names)) == len(names)  # else one row's file by address would be taken for another's


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HF_HOME": "~/hf", "TORCH_HOME": "~/torch"},
        {"HF_HOME": "$HOME/hf"},
        {"HF_HOME": "/hf", "HF_HUB_CACHE": "~/at$HF_HOME/hub"},
        {"HUGGINGFACE_HUB_CACHE": "/older", "XDG_CACHE_HOME": "/xdg"},
        {"XDG_CACHE_HOME": "/xdg"},
    ],
)
def test_the_hubs_cache_is_where_its_owner_has_it(variables: dict[str, str], python: Callable) -> None:
    program = "from huggingface_hub import constants; from visavis.zoo.cached import hub_cache; "
    with python(f"{program}print(constants.HF_HUB_CACHE, hub_cache(), sep='\\n')", **variables) as process:
        theirs, ours = process.stdout
    assert ours == theirs


@pytest.mark.parametrize(
    "variables", [{}, {"XDG_CACHE_HOME": "/xdg"}, {"XDG_CACHE_HOME": "/x", "TORCH_HOME": "~/$HOME"}]
)
def test_torchs_cache_is_where_torch_has_it(variables: dict[str, str], home: Path, monkeypatch) -> None:
    from torch.hub import get_dir

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(torch_checkpoints()) == f"{get_dir()}/checkpoints"


def test_looking_into_the_caches_imports_nothing_heavy(python: Callable) -> None:
    program = (
        "import sys; from visavis.zoo.cached import cached_names; from visavis.zoo.published import list_published; "
        "import visavis.zoo.hub; cached_names(list_published()); "
        "print([name for name in ('torch', 'numpy', 'huggingface_hub', 'httpx2', 'requests') if name in sys.modules])"
    )
    with python(program) as process:
        assert process.stdout.read() == "[]\n"


# Names that lead out of the cache


@pytest.mark.parametrize(
    "repo",
    [
        "a",
        "a/b/c",
        "../b",
        "a/..",
        "a/../b",
        "/a/b",
        "a/b--c",
        "a..b/c",
        "a/b.git",
        "a-/b",
        "a/" + "b" * 95,
        "a\\b/c",
        "a/b\n",
        "ä/b",
    ],
)
def test_what_is_no_repository_is_refused(repo: str) -> None:
    with pytest.raises(UsageError, match="cannot be a repository"):
        RemoteFile(name="x", repo=repo, filenames=("model.safetensors",))


@pytest.mark.parametrize("name", ["", "..", "../a", "a/../b", "/a", "a//b", "\\\\host\\a", "C:a", "a\0b", "a\n", "~/a"])
def test_what_is_no_file_of_a_repository_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a file of a repository"):
        RemoteFile(name="x", repo="a/b", filenames=(name,))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b.pt", "https://a/", "https://a/..", "//a/b", "x.pt"])
def test_what_is_no_address_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be fetched"):
        RemoteFile(name="x", url=url)


def test_a_file_that_lies_nowhere_is_refused() -> None:
    with pytest.raises(UsageError, match="Nothing says where x is published"):
        RemoteFile(name="x", repo="a/b")


@given(repo=st.text("aB0-._/ \n", max_size=12) | st.from_regex(REPO, fullmatch=True))
def test_a_repository_is_one_for_huggingface_hub_too(repo: str) -> None:
    try:
        RemoteFile(name="x", repo=repo, filenames=("a",))
    except UsageError:
        return
    validate_repo_id(repo)  # raises where it is none


@given(repo=st.text(), filename=st.text(), url=st.text().map("https://host/{}".format))
def test_no_name_leads_out_of_the_caches(repo: str, filename: str, url: str) -> None:
    """What is not refused stays inside, however it is spelt."""
    try:
        found = RemoteFile(name="x", repo=repo, filenames=(filename,), url=url)
    except UsageError:
        return
    cache = hub_cache().resolve()
    assert cache in (repo_folder(found) / "snapshots" / filename).resolve().parents
    assert (torch_checkpoints() / found.url_name).resolve().parent == torch_checkpoints().resolve()


def test_a_revision_that_leads_out_of_the_cache_is_no_revision(home: Path, file: RemoteFile) -> None:
    folder = hub_cache() / "models--owner--some-model.tag"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("../../../../..")
    (folder / "snapshots").mkdir()
    (home / file.filenames[0]).touch()
    assert find_cached(file) is None
