"""Weights arrive whole, once, and where huggingface_hub finds them, whatever breaks on the way."""

from __future__ import annotations

import hashlib
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import huggingface_hub.utils
import pytest
from hub_server import COMMIT, GOOD_TOKEN, Fault, LoopbackHub, git_blob
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visavis.zoo.cached import RemoteFile, find_cached, hub_cache, torch_checkpoints
from visavis.zoo.download import INCOMPLETE
from visavis.zoo.hub import fetch

SIZE = 300_000  # of the one file


def leftovers(folder: Path) -> list[str]:
    """Files that were begun and not finished."""
    return [path.name for path in folder.rglob(f"*{INCOMPLETE}")]


def test_huggingface_hub_finds_what_was_fetched(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    path = fetch(file)
    assert path.read_bytes() == content
    assert path == Path(str(try_to_load_from_cache(file.repo, file.filenames[0], cache_dir=hub_cache())))
    assert path.resolve().name == hashlib.sha256(content).hexdigest()
    again = hf_hub_download(file.repo, file.filenames[0], cache_dir=hub_cache(), endpoint=hub.address())
    assert Path(again) == path
    assert len(hub.requests("content")) == 1


def test_a_fetched_file_needs_no_network_again(hub: LoopbackHub, file: RemoteFile) -> None:
    path = fetch(file)
    hub.asked.clear()
    assert fetch(file) == path
    assert hub.asked == []


def test_the_second_name_is_fetched_where_the_first_is_missing(hub: LoopbackHub, file: RemoteFile) -> None:
    hub.repos[file.repo] = {"pytorch_model.bin": b"pickle" * 1000}
    assert fetch(file).name == "pytorch_model.bin"
    hub.asked.clear()
    assert fetch(file).name == "pytorch_model.bin"
    assert hub.asked == []


def test_a_renamed_repository_is_followed(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    hub.renamed["someone/old-name"] = file.repo
    path = fetch(RemoteFile(name="x", repo="someone/old-name", filenames=file.filenames))
    assert path.read_bytes() == content
    assert "models--someone--old-name" in path.parts  # so it is found under the name that was asked for


def test_a_branch_that_moves_meanwhile_is_not_followed(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    """What is named is what was fetched and checked."""
    newer = {file.repo: {file.filenames[0]: content[::-1]}}
    path = fetch(file, lambda *_: hub.commit("f" * 40, newer))
    assert path.read_bytes() == content
    assert path.parent.name == COMMIT
    assert len(hub.requests("content")) == 1


def test_a_small_file_is_checked_by_its_name_in_git(hub: LoopbackHub) -> None:
    hub.repos["a/b"] = {"config.json": b"{}"}
    path = fetch(RemoteFile(name="config", repo="a/b", filenames=("config.json",)))
    assert path.read_bytes() == b"{}"
    assert path.resolve().name == git_blob(b"{}") == "9e26dfeeb6e641a33dae4961196235bdb965b21b"  # git hash-object


def test_without_links_the_content_lies_there_once(
    hub: LoopbackHub, file: RemoteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    path = fetch(file)
    assert [found for found in hub_cache().rglob("*") if found.is_file() and found.stat().st_size == SIZE] == [path]
    hub.asked.clear()
    assert fetch(file) == path
    assert hub.asked == []


def test_progress_counts_megabytes_up_to_all(hub: LoopbackHub, file: RemoteFile) -> None:
    hub.repos[file.repo] = {file.filenames[0]: bytes(2_500_000)}
    seen: list[tuple[str, int, int]] = []
    fetch(file, lambda *now: seen.append(now))
    assert {(name, total) for name, _, total in seen} == {("fetching some-model.tag, MB", 3)}
    done = [now for _, now, _ in seen]
    assert done == sorted(done)
    assert (done[0], done[-1], done.count(3)) == (0, 3, 1)


def test_the_token_goes_to_the_hub_alone(hub: LoopbackHub, file: RemoteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", GOOD_TOKEN)
    hub.gated.add(file.repo)
    fetch(file)
    assert {asked.headers.get("Authorization") for asked in hub.asked if asked.host == "hub"} == {
        f"Bearer {GOOD_TOKEN}"
    }
    assert [asked.headers.get("Authorization") for asked in hub.requests("content")] == [None]


def at_once(count: int, file: RemoteFile) -> list[bytes]:
    """What as many threads get that fetch the same file."""
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(fetch(file).read_bytes())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_three_at_once_fetch_once(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    assert at_once(3, file) == [content] * 3
    assert len(hub.requests("content")) == 1


def test_two_at_once_do_no_harm_where_locks_do_nothing(
    hub: LoopbackHub, file: RemoteFile, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Lustre and some NFS. Each is interrupted once, so each goes on from what both have written."""
    monkeypatch.setattr(huggingface_hub.utils, "WeakFileLock", lambda _: nullcontext())
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    hub.faults = [Fault(after=100_000, stall=True), Fault(after=200_000)]
    assert at_once(2, file) == [content] * 2
    assert leftovers(hub_cache()) == []


# Lines that break


def test_a_cut_connection_is_continued(hub: LoopbackHub, file: RemoteFile, content: bytes, pauses: list[float]) -> None:
    hub.faults = [Fault(after=131072), Fault(after=65536)]
    assert fetch(file).read_bytes() == content
    assert [asked.headers.get("Range") for asked in hub.requests("content")] == [None, "bytes=131072-", "bytes=196608-"]
    assert pauses == [1.0, 2.0]


def test_an_end_that_comes_early_and_orderly_is_none(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    hub.faults = [Fault(after=65536, surplus=0)]
    assert fetch(file).read_bytes() == content


def test_a_connection_that_brings_much_may_break_often(hub: LoopbackHub, file: RemoteFile, pauses: list[float]) -> None:
    hub.repos[file.repo] = {file.filenames[0]: bytes(12 << 20)}
    hub.faults = [Fault(after=(1 << 20) + number) for number in range(11)]
    assert fetch(file).stat().st_size == 12 << 20
    assert pauses == [1.0] * 11


def test_a_stalled_connection_is_continued(
    hub: LoopbackHub, file: RemoteFile, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.faults = [Fault(after=65536, stall=True)]
    assert fetch(file).read_bytes() == content
    assert hub.requests("content")[-1].headers["Range"] == "bytes=65536-"


BROKEN = st.one_of(
    st.builds(Fault, after=st.integers(0, SIZE)),
    st.builds(Fault, after=st.integers(0, SIZE), whole=st.just(True)),
    st.builds(Fault, after=st.integers(0, SIZE), surplus=st.just(0)),
    st.builds(Fault, after=st.integers(0, SIZE), shift=st.integers(0, 1000)),
    st.builds(Fault, host=st.sampled_from(["hub", "content"]), status=st.sampled_from([408, 500, 502, 503, 504])),
    st.builds(Fault, host=st.just("hub"), method=st.just("HEAD"), status=st.sampled_from([408, 429, 500, 503])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(coming=st.lists(BROKEN, max_size=4))
def test_whatever_breaks_four_times_the_file_arrives(
    hub: LoopbackHub, file: RemoteFile, content: bytes, coming: list[Fault]
) -> None:
    hub.faults = list(coming)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", folder)
        assert fetch(file).read_bytes() == content
        assert leftovers(Path(folder)) == []


def test_a_killed_process_is_continued(hub: LoopbackHub, file: RemoteFile, content: bytes, python: Callable) -> None:
    hub.faults = [Fault(after=196608, stall=True)]
    program = f"from visavis.zoo.cached import RemoteFile; from visavis.zoo.hub import fetch; fetch({file!r})"
    part = f"*/blobs/{hashlib.sha256(content).hexdigest()}{INCOMPLETE}"
    pause = threading.Event()
    with python(program, HF_ENDPOINT=hub.address()) as process:
        while process.poll() is None and [path.stat().st_size for path in hub_cache().glob(part)] != [196608]:
            pause.wait(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert find_cached(file) is None
    assert fetch(file).read_bytes() == content
    assert hub.requests("content")[-1].headers["Range"] == "bytes=196608-"
    assert leftovers(hub_cache()) == []


def begun(hub: LoopbackHub, file: RemoteFile, part: bytes) -> Path:
    """Lays a part of the file there, as an earlier process would have."""
    [whole] = hub.repos[file.repo].values()
    place = hub_cache() / f"models--{file.repo.replace('/', '--')}" / "blobs" / hashlib.sha256(whole).hexdigest()
    place.parent.mkdir(parents=True)
    place.with_name(place.name + INCOMPLETE).write_bytes(part)
    return place


@pytest.mark.parametrize("length", [1000, SIZE, SIZE + 1])
def test_a_part_that_is_wrong_is_fetched_anew(hub: LoopbackHub, file: RemoteFile, content: bytes, length: int) -> None:
    begun(hub, file, b"\1" * length)
    assert fetch(file).read_bytes() == content
    assert leftovers(hub_cache()) == []


def test_a_part_that_is_the_whole_needs_no_content(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    begun(hub, file, content)
    assert fetch(file).read_bytes() == content
    assert hub.requests("content") == []


def test_content_without_a_name_is_named(hub: LoopbackHub, file: RemoteFile, content: bytes) -> None:
    """As after a kill between the two, or where another revision of the repository has the same file."""
    begun(hub, file, b"").write_bytes(content)
    assert find_cached(file) is None
    assert fetch(file).read_bytes() == content
    assert find_cached(file) is not None
    assert hub.requests("content") == []


# Files without a repository


def by_address(hub: LoopbackHub, content: bytes) -> RemoteFile:
    """A file as torchvision has them: the address ends in the first eight digits of its checksum."""
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.repos["files"] = {name: content}
    return RemoteFile(name="net.V1", url=f"{hub.address('content')}/models/{name}")


def test_a_file_by_address_goes_where_torchvision_finds_it(hub: LoopbackHub, content: bytes) -> None:
    file = by_address(hub, content)
    hub.faults = [Fault(after=100_000), Fault(status=502)]
    path = fetch(file)
    assert path == torch_checkpoints() / file.url_name == find_cached(file)
    assert path.read_bytes() == content
    assert leftovers(torch_checkpoints()) == []


def test_three_at_once_fetch_a_file_by_address_once(hub: LoopbackHub, content: bytes) -> None:
    assert at_once(3, by_address(hub, content)) == [content] * 3
    assert len(hub.requests("content")) == 1


@pytest.mark.parametrize(("kept", "served"), [(100_000, 1), (SIZE, 1), (SIZE + 10, 2)])
def test_a_file_by_address_is_continued(hub: LoopbackHub, content: bytes, kept: int, served: int) -> None:
    """Its size is told by the answer alone, so one that had all but its name is asked for once more (status 416)."""
    file = by_address(hub, content)
    torch_checkpoints().mkdir(parents=True)
    (torch_checkpoints() / f"{file.url_name}{INCOMPLETE}").write_bytes((content + bytes(10))[:kept])
    assert fetch(file).read_bytes() == content
    assert len(hub.requests("content")) == served
