"""What cannot be fetched is told in one paragraph with what to do, and leaves nothing wrong behind."""

from __future__ import annotations

import errno
import hashlib
import shutil
import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import STRANGERS_TOKEN, Fault, LoopbackHub
from huggingface_hub import constants

from visavis.errors import UsageError, VisavisError
from visavis.zoo.cached import RemoteFile, find_cached, hub_cache, torch_checkpoints
from visavis.zoo.hub import fetch, fetch_published
from visavis.zoo.hub_errors import explain, seconds_asked_for, storing

Refusal = Callable[..., str]


def nothing_is_there() -> bool:
    """Neither the file nor a part of it."""
    folders = (hub_cache(), torch_checkpoints())
    return not [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


# What the hub refuses


def test_a_missing_repository(hub: LoopbackHub, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos.clear()
    without_token = refusal()
    assert "no repository 'owner/some-model.tag'" in without_token
    assert "HF_TOKEN" in without_token
    monkeypatch.setenv("HF_TOKEN", STRANGERS_TOKEN)  # then the status is 404, not 401
    assert refusal() == without_token
    assert len(hub.asked) == 2  # waiting would not help


def test_a_missing_file_is_told_by_its_first_name(hub: LoopbackHub, file: RemoteFile, refusal: Refusal) -> None:
    hub.repos[file.repo] = {"README.md": b""}
    assert "(model.safetensors of owner/some-model.tag): there is no such file" in refusal()
    assert len(hub.asked) == 2  # each name once


@pytest.mark.parametrize("token", ["", STRANGERS_TOKEN])
def test_a_gated_repository(
    hub: LoopbackHub, file: RemoteFile, refusal: Refusal, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(file.repo)
    monkeypatch.setenv("HF_TOKEN", token)
    told = refusal()
    assert f"Sign in at {hub.address()}/owner/some-model.tag, accept" in told
    assert "HF_TOKEN=hf_…" in told


def test_a_token_that_is_none(hub: LoopbackHub, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    assert "does not know the token" in refusal()
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    ("status", "headers", "part"),
    [
        (401, {}, "does not let you have"),
        (
            403,
            {"X-Error-Message": "Access to this resource is disabled."},
            "Access to this resource is disabled. If it is private",
        ),
        (404, {"X-Error-Code": "RevisionNotFound"}, "has no branch or commit"),
        (407, {}, "the proxy wants a login. Behind a proxy, set HTTPS_PROXY="),
        (418, {}, "answers with status 418."),
        (451, {"X-Error-Message": "Unavailable for legal reasons"}, "status 451 (Unavailable for legal reasons)."),
    ],
)
def test_other_refusals(hub: LoopbackHub, refusal: Refusal, status: int, headers: dict[str, str], part: str) -> None:
    for host, method in (("hub", "HEAD"), ("content", "GET")):
        hub.faults = [Fault(host=host, method=method, status=status, headers=headers)]
        assert part in refusal()
    assert len(hub.asked) == 4  # HEAD; HEAD, GET, GET at the other host


def test_a_refused_file_by_address(hub: LoopbackHub, content: bytes, refusal: Refusal) -> None:
    url = f"{hub.address('content')}/models/net-01234567.pth"
    told = refusal(RemoteFile(name="net.V1", url=url))
    assert f"net.V1 (net-01234567.pth): there is no such file in {url} (status 404)" in told
    hub.repos["files"] = {"net-01234567.pth": content}
    assert "its sha256 checksum is" in refusal(RemoteFile(name="net.V1", url=url))
    assert "nothing says what" in refusal(RemoteFile(name="net.V1", url=f"{hub.address()}/net.pth"))
    assert nothing_is_there()


# What passes, and what does not


def test_a_rate_limit_is_waited_for(hub: LoopbackHub, file: RemoteFile, pauses: list[float]) -> None:
    hub.faults = [
        Fault(host="hub", method="HEAD", status=429, headers={"Retry-After": "7"}),
        Fault(host="hub", status=429, headers={"RateLimit": '"resolvers";r=0;t=12'}),
        Fault(status=503, headers={"Retry-After": "3"}),
    ]
    fetch(file)
    assert pauses == [7.0, 12.0, 3.0]


def test_a_long_rate_limit_is_told(hub: LoopbackHub, refusal: Refusal, pauses: list[float]) -> None:
    hub.faults = [Fault(host="hub", method="HEAD", status=429, headers={"Retry-After": "300"})]
    assert "Wait 300 seconds and run this again" in refusal()
    assert pauses == []
    hub.faults = [Fault(host="hub", method="HEAD", status=429)] * 5
    assert "Wait a few minutes and run this again" in refusal()


def test_seconds_are_read_from_headers() -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=100)
    assert seconds_asked_for({"Retry-After": "120"}) == 120
    assert seconds_asked_for({"Retry-After": format_datetime(soon, usegmt=True)}) == pytest.approx(100, abs=10)
    assert seconds_asked_for({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0  # RFC 9110's example, long past
    assert seconds_asked_for({"Retry-After": "soon"}) is None
    assert seconds_asked_for({"RateLimit": '"resolvers";r=2998;t=172'}) is None  # not exhausted
    assert seconds_asked_for({}) is None


@pytest.mark.parametrize(("host", "method"), [("hub", "HEAD"), ("hub", "GET"), ("content", "GET")])
def test_a_fault_of_the_hub_is_borne_five_times(
    hub: LoopbackHub, refusal: Refusal, pauses: list[float], host: str, method: str
) -> None:
    hub.faults = [Fault(host=host, method=method, status=503)] * 5
    told = refusal()
    assert "has a fault of its own (status 503) after 5 tries" in told
    assert "what has arrived is kept" in told
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_connection_that_always_breaks(hub: LoopbackHub, file: RemoteFile, refusal: Refusal, content: bytes) -> None:
    hub.faults = [Fault(after=65536)] + [Fault(after=0)] * 4
    assert "broke 5 times" in refusal()
    assert fetch(file).read_bytes() == content
    assert hub.requests("content")[-1].headers["Range"] == "bytes=65536-"


def test_a_connection_that_always_stalls(hub: LoopbackHub, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults = [Fault(after=1000, stall=True)] * 5
    assert "stalled. Run this again: what has arrived is kept" in refusal()


def test_nothing_answers(refusal: Refusal, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}/")
    told = refusal()
    assert f"nothing answers at http://127.0.0.1:{port}. Behind a proxy, set HTTPS_PROXY=" in told
    assert "HF_ENDPOINT names a mirror" in told
    assert pauses == []


def test_no_name_server(refusal: Refusal, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    assert "http://hub.invalid is not found (no network, or no name server)" in refusal()
    assert pauses == []


def test_a_network_that_goes_away_meanwhile_is_waited_for(
    hub: LoopbackHub, file: RemoteFile, content: bytes, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """At the first try that would be final."""
    whole, calls = socket.getaddrinfo, []

    def getaddrinfo(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        if hub.requests("content") and len(calls) < 4:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return whole(*arguments, **named)

    hub.faults = [Fault(after=65536)]
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert fetch(file).read_bytes() == content
    assert len(pauses) > 1


def test_a_certificate_that_is_not_trusted(file: RemoteFile) -> None:
    from visavis.zoo.hub_errors import Subject, seconds_to_wait

    outer = ConnectionError("SSL")
    outer.__cause__ = ssl.SSLCertVerificationError("self-signed certificate in certificate chain")
    subject = Subject(name="x", file="model.safetensors", repo="a/b", address="https://hub")
    assert "certificate of https://hub is not trusted" in str(explain(outer, subject))
    assert seconds_to_wait(outer, 1, started=True) is None


# Proxies


def told_by_a_process(file: RemoteFile) -> str:
    """A program that fetches and prints the file's name, or the error."""
    return (
        "from visavis.zoo.cached import RemoteFile; from visavis.zoo.hub import fetch\n"
        f"try: print(fetch({file!r}).name)\nexcept Exception as error: print(type(error).__name__, error)"
    )


def test_a_proxy_is_used(hub: LoopbackHub, file: RemoteFile, python: Callable) -> None:
    """The loopback hub stands in for the proxy: it is asked for whole addresses."""
    proxy = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.address(), "http_proxy": hub.address()}
    with python(told_by_a_process(file), **proxy, NO_PROXY="localhost", no_proxy="localhost") as process:
        assert process.stdout.read() == "model.safetensors\n"
    assert {asked.path.partition("/resolve/")[0] for asked in hub.asked if asked.host == "hub"} == {
        f"http://hub.invalid/{file.repo}"
    }


def test_a_proxy_that_is_not_there(file: RemoteFile, python: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    proxy = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": address, "http_proxy": address}
    with python(told_by_a_process(file), **proxy) as process:
        told = process.stdout.read()
    assert told.startswith("VisavisError Cannot fetch some-model.tag")
    assert "set HTTPS_PROXY=" in told


# Offline


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(
    hub: LoopbackHub, file: RemoteFile, refusal: Refusal, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    told = refusal()
    assert "`visavis fetch some-model.tag` on a machine with a network" in told
    assert str(hub_cache() / "models--owner--some-model.tag") in told
    by_address = RemoteFile(name="net.V1", url="https://host.invalid/net-01234567.pth")
    assert str(torch_checkpoints() / "net-01234567.pth") in refusal(by_address)
    assert hub.asked == []
    monkeypatch.delenv(variable)
    path = fetch(file)
    monkeypatch.setenv(variable, "1")
    assert fetch(file) == path


def test_a_hub_client_that_was_told_to_stay_offline(
    hub: LoopbackHub, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as when the variable was unset after the import
    assert "HF_HUB_OFFLINE" in refusal()
    assert hub.asked == []


# Disks


def test_no_room_is_told_before_anything_arrives(
    hub: LoopbackHub, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=299_999))
    assert "300000 bytes are needed and 299999 are free" in refusal()
    assert not any(path.stat().st_size for path in hub_cache().rglob("*.incomplete"))


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    told = rf"disk of {tmp_path} is full.*what has arrived is kept.*set TORCH_HOME"
    with pytest.raises(VisavisError, match=told), storing(tmp_path / "a", "TORCH_HOME"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_errors_of_http_libraries_are_none_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="cut"), storing(tmp_path / "a", "TORCH_HOME"):
        raise ConnectionError("cut")


def test_a_cache_that_cannot_be_written(hub: LoopbackHub, file: RemoteFile, refusal: Refusal) -> None:
    (hub_cache() / "models--owner--some-model.tag").mkdir(parents=True)
    (hub_cache() / "models--owner--some-model.tag" / "blobs").touch()
    assert "Set HF_HUB_CACHE to a folder that takes files" in refusal()


# What is wrong, and servers that mean harm


def test_a_cache_that_huggingface_hub_cannot_write(hub: LoopbackHub, refusal: Refusal, pauses: list[float]) -> None:
    (hub_cache() / "models--owner--some-model.tag").mkdir(parents=True)
    (hub_cache() / "models--owner--some-model.tag" / "snapshots").touch()
    assert "Set HF_HUB_CACHE to a folder that takes files" in refusal()
    assert pauses == []


@pytest.mark.parametrize("earlier", [0, 1000])
def test_a_wrong_checksum(hub: LoopbackHub, file: RemoteFile, refusal: Refusal, content: bytes, earlier: int) -> None:
    hub.faults = [Fault(after=earlier)] * bool(earlier) + [Fault(flip=200_000)]
    told = refusal()
    assert f"not {hashlib.sha256(content).hexdigest()}. It was removed" in told
    assert nothing_is_there()
    assert fetch(file).read_bytes() == content


def test_more_bytes_than_stated(hub: LoopbackHub, refusal: Refusal) -> None:
    hub.faults = [Fault(surplus=1)]
    assert "sends more than the 300000 bytes that it states" in refusal()
    assert nothing_is_there()


def test_another_size_than_stated(hub: LoopbackHub, refusal: Refusal) -> None:
    hub.faults = [Fault(longer=5)]
    assert "300000 bytes are stated, but 300005 would be sent" in refusal()
    hub.faults = [Fault(host="hub", status=200, headers={"Content-Type": "text/html"})]
    assert "300000 bytes are stated, but 28 would be sent. A proxy's login page" in refusal()


def test_a_file_by_address_without_a_size(hub: LoopbackHub, content: bytes, refusal: Refusal) -> None:
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.repos["files"] = {name: content}
    hub.faults = [Fault(surplus=1)]
    assert "does not state its size" in refusal(RemoteFile(name="net", url=f"{hub.address('content')}/{name}"))


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/a", "gopher://127.0.0.1/"])
def test_a_redirect_off_the_web(hub: LoopbackHub, refusal: Refusal, location: str, pauses: list[float]) -> None:
    hub.faults = [Fault(host="hub", status=302, headers={"Location": location})]
    assert "leads to an address that is not on the web" in refusal()
    assert pauses == []
    assert not any(path.stat().st_size for path in hub_cache().rglob("*.incomplete"))


def test_redirects_in_a_circle(hub: LoopbackHub, refusal: Refusal) -> None:
    circle = {"Location": f"{hub.address()}/owner/some-model.tag/resolve/main/model.safetensors"}
    hub.faults = [Fault(host="hub", status=302, headers=circle)] * 50
    assert "redirects in a circle" in refusal()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Repo-Commit": "../../../..", "ETag": '"' + "a" * 64 + '"'},
        {"X-Repo-Commit": "a" * 40, "ETag": '"../../../../evil"'},
        {"X-Repo-Commit": "a" * 40, "ETag": '"' + "a" * 64 + '"', "Content-Length": "0"},
        {"X-Repo-Commit": "a" * 40, "ETag": '"' + "a" * 64 + '"', "X-Linked-Size": "-5"},
    ],
)
def test_what_is_no_hub(hub: LoopbackHub, refusal: Refusal, headers: dict[str, str]) -> None:
    hub.faults = [Fault(host="hub", method="HEAD", status=200, headers=headers)]
    assert "is not a hub" in refusal()
    assert nothing_is_there()


def test_unknown_names_are_told_before_anything_is_fetched(hub: LoopbackHub) -> None:
    with pytest.raises(UsageError, match=r"'ViT-B-23.openai'.*ViT-B-32.openai"):
        fetch_published(["ViT-B-32.openai", "ViT-B-23.openai"])
    assert hub.asked == []


def test_an_error_leaves_what_was_there(hub: LoopbackHub, file: RemoteFile, refusal: Refusal) -> None:
    path = fetch(file)
    hub.repos.clear()
    refusal(RemoteFile(name="x", repo="other/model", filenames=("model.safetensors",)))
    assert find_cached(file) == path
