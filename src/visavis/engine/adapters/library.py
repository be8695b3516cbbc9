"""What the adapters share: importing a library, its failures in our words, fresh weights, and a first trial."""

from __future__ import annotations

import importlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from visavis.errors import UsageError, VisavisError, did_you_mean
from visavis.zoo.architectures import Family
from visavis.zoo.hub_errors import OFFLINE, Subject, explain
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.published import find_published

Training = Literal["supervised", "clip", "other"]
Architecture = Literal["resnet", "vit", "other"]

RESNETS = {"ResNet", "ResNetV2", "ModifiedResNet"}  # classes of timm and open_clip, by which a network is known
VITS = {"VisionTransformer", "NaFlexVit", "Eva", "Beit"}
HYBRIDS = {"HybridEmbed"}  # timm's patch embedding that is a ResNet itself
NOT_HERE = "LocalEntryNotFoundError"  # huggingface_hub's; without a failure of the network, it was told to stay offline
OFFERED = 6  # names that a message lists
LONGEST_REASON = 400  # characters of another library's error that are passed on


def import_library(module: str, distribution: str) -> Any:
    """Another library's module.

    Raises:
        UsageError: It is not installed; the message has the line that installs it.
        VisavisError: It is installed, and its import fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise VisavisError(_broken(module, distribution, error)) from error
        raise UsageError(
            f"This model needs the library {module}, which is not installed here. Install it: pip install "
            f"{distribution}."
        ) from error
    except Exception as error:  # an import runs the library's code, which can raise anything
        raise VisavisError(_broken(module, distribution, error)) from error


def _broken(module: str, distribution: str, error: Exception) -> str:
    return (
        f"The library {module} is installed, but its import fails ({_reason(error)}). It and what it needs (torch, "
        f"torchvision) must fit together: pip install --upgrade {distribution} torchvision."
    )


@contextmanager
def in_our_words(name: str, repo: str = "") -> Iterator[None]:
    """Turns whatever a library raises while it opens a model into one paragraph.

    Args:
        name: The user's word for the model.
        repo: Its repository on the hub, where it has one.

    Raises:
        VisavisError: In place of the library's error.
    """
    try:
        yield
    except VisavisError:
        raise
    except Exception as error:  # another library's code can raise anything
        chain = _chain(error)
        kinds = {type(link).__name__ for link in chain}
        cause = next((link for link in chain if _is_of_the_network(link)), None)
        if cause is not None and OFFLINE not in kinds:
            address = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
            subject = Subject(name=name, file="weights and settings", repo=repo, address=address)
            raise explain(cause, subject) from error
        if kinds & {OFFLINE, NOT_HERE}:
            raise VisavisError(
                f"{name!r} is not on this machine, and huggingface_hub was told to stay offline. Unset HF_HUB_OFFLINE "
                "and TRANSFORMERS_OFFLINE; or load it once where there is a network, and copy the cache (HF_HOME)."
            ) from error
        raise VisavisError(
            f"{name!r} could not be opened: its library says {_reason(error)}. Look whether the name, or the folder's "
            "content, is what that library expects."
        ) from error


def _chain(error: Exception) -> list[Exception]:
    """An error and its causes. The libraries wrap huggingface_hub's errors, each in its own way, but keep the chain."""
    links: list[Exception] = []
    link: BaseException | None = error
    while isinstance(link, Exception) and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _is_of_the_network(error: Exception) -> bool:
    failed = isinstance(error, (socket.gaierror, ConnectionError, TimeoutError, ssl.SSLError))
    return failed or getattr(error, "response", None) is not None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".") or "nothing more"
    return f"{type(error).__name__}: {text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + '…'}"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Fresh weights are drawn from this seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def settled(model: Any) -> Any:
    """A network as every encoder has it: float32, evaluation, no gradients, channels last."""
    return model.float().eval().requires_grad_(False).to(memory_format=torch.channels_last)


def preprocess_of(name: str, read: Callable[[], Preprocess]) -> Preprocess:
    """A library's preprocessing. Raises UsageError where it is none that visavis can do."""
    try:
        return read()
    except (ValueError, KeyError, TypeError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"{name!r} demands of its images what visavis cannot do ({said.rstrip('.')}). Choose weights with square "
            "images whose shorter side, or both sides, are resized bilinear or bicubic."
        ) from error


@torch.inference_mode()
def try_out(name: str, encode: Callable[[Tensor], Any], image_size: int) -> int:
    """Length of a model's vectors, found by encoding one image of noise twice.

    Raises:
        UsageError: The model makes no vector from an image alone, or another one each time.
    """
    image = noise(image_size)
    try:
        vectors, again = encode(image), encode(image)
    except Exception as error:  # another library's code can raise anything
        raise UsageError(
            f"{name!r} has no image tower that visavis can use: given one image of {image_size} pixels, it fails "
            f"({_reason(error)}). Choose a model that takes images alone."
        ) from error
    if not isinstance(vectors, Tensor) or vectors.ndim != 2 or len(vectors) != 1:
        found = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
        raise UsageError(
            f"{name!r} has no image tower that visavis can use: one image gives {found}, not one vector. Choose a "
            "model for classification or for images and texts."
        )
    if not torch.allclose(vectors, again, rtol=1e-3, atol=1e-3 * float(vectors.abs().max())):
        raise UsageError(
            f"{name!r} gives another vector of the same image each time, as networks do that hide parts of it "
            "at random (masked autoencoders). Choose a model that sees the whole image."
        )
    return vectors.shape[1]


def noise(image_size: int) -> Tensor:
    """One image: float32 [1, 3, image_size, image_size]."""
    image = torch.rand(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    return image.contiguous(memory_format=torch.channels_last)


def architecture_of(network: nn.Module) -> Architecture:
    """How timm or open_clip built an image tower, by the names of its classes: both derive theirs from a few."""
    names = {kind.__name__ for kind in type(network).__mro__}
    if names & RESNETS:
        return "resnet"
    hybrid = type(getattr(network, "patch_embed", None)).__name__ in HYBRIDS
    return "vit" if names & VITS and not hybrid else "other"


def family_of(training: Training, architecture: Architecture) -> Family:
    """The corner, or the place outside the square."""
    return cast(Family, f"{training}-{architecture}")


def offered(wanted: str, names: Sequence[str]) -> str:
    """A sentence with the names nearest to what was wanted, or with the first and how many more there are."""
    near = did_you_mean(wanted, names)
    if near.startswith("Did"):
        return near
    more = f" and {len(names) - OFFERED} more" if len(names) > OFFERED else ""
    return f"It has {', '.join(names[:OFFERED])}{more}."


def published_facts(name: str) -> dict[str, Any]:
    """What people choose by, where the catalogue has the same weights under timm's or open_clip's name."""
    row = find_published(name)
    if row is None:
        return {}
    return {"trained_on": row.training_data, "origin": row.origin, "license": row.license}
