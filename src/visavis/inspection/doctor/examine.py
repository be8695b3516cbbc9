"""What a file of weights is, what it lacks, and which of the known traps it has; nothing in it is executed.

The one idea: most wrong comparisons are loading mistakes. Each trap is a function from the evidence to a finding, and
"unknown" is an honest verdict: what no tensor shows is asked for, not guessed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from visavis.errors import UsageError, VisavisError, did_you_mean
from visavis.inspection.doctor import traps_contents, traps_settings, traps_weights
from visavis.inspection.doctor.diagnosis import Diagnosis, Finding
from visavis.inspection.doctor.evidence import Evidence, fitting_architectures, gather
from visavis.zoo.architectures import family_of
from visavis.zoo.catalogue import EMBEDDED, list_models
from visavis.zoo.finding import split_name
from visavis.zoo.formats.contents import UnreadableError
from visavis.zoo.formats.tensor_file import read_tensor_file
from visavis.zoo.published import find_published

OnProgress = Callable[[str, int, int], None]


def examine(path_or_name: str | Path, on_progress: OnProgress = lambda *_: None) -> Diagnosis:
    """Says what a file of weights is and tests it for the known traps.

    Args:
        path_or_name: A file, a folder as Hugging Face, open_clip and timm publish it, or a name with weights.
            "::NAME" behind a path tells what the file does not say of itself, as for `visavis.load`.
        on_progress: Called with name, megabytes and megabytes in all while published weights arrive.

    Raises:
        UsageError: There is no such file, name or architecture.
        VisavisError: Published weights cannot be had.
    """
    name, architecture = split_name(str(path_or_name))
    path = _locate(name, on_progress)
    try:
        file = read_tensor_file(path)
    except UsageError:
        raise
    except VisavisError as error:
        return _unreadable(name, path, error)
    return _diagnose(name, gather(file, name, architecture), architecture)


def _locate(name: str, on_progress: OnProgress) -> Path:
    if os.path.exists(name):
        return Path(name)
    if name in EMBEDDED:
        return Path(str(resources.files("visavis.zoo"))) / "weights" / f"{name}.safetensors"
    row = find_published(name)
    if row is None:
        hint = did_you_mean(name, list_models("*.*"))
        raise UsageError(f"There is no file or folder {name!r}, and no weights of that name. {hint}")
    from visavis.zoo.cached import remote_file
    from visavis.zoo.hub import fetch  # brings huggingface_hub

    return fetch(remote_file(row), on_progress)


def _unreadable(name: str, path: Path, error: VisavisError) -> Diagnosis:
    """A file that cannot be read is one finding."""
    reason = error.__cause__
    told = isinstance(reason, UnreadableError)
    finding = Finding(
        trap="container",
        verdict="bad",
        found=f"The file {reason}." if told else str(error),
        remedy=reason.remedy if isinstance(reason, UnreadableError) else "",
    )
    return Diagnosis(name=name, path=path, dtypes={}, size=_size(path), findings=(finding,))


def _diagnose(name: str, evidence: Evidence, architecture: str | None) -> Diagnosis:
    file, skeleton = evidence.file, evidence.skeleton
    dtypes: dict[str, int] = {}
    for tensor in file.tensors.values():
        kind = str(tensor.dtype).removeprefix("torch.")
        dtypes[kind] = dtypes.get(kind, 0) + tensor.numel()
    return Diagnosis(
        name=name,
        path=file.path,
        container=file.container,
        peers=evidence.layout.peers if evidence.layout else "",
        family=family_of(skeleton) if skeleton else "",
        architectures=fitting_architectures(skeleton, evidence.config or evidence.named) if skeleton else (),
        published=evidence.published.name if evidence.published else "",
        params=sum(dtypes.values()),
        dtypes=dtypes,
        size=_size(file.path),
        findings=tuple(_findings(evidence, architecture)),
    )


def _findings(evidence: Evidence, architecture: str | None) -> list[Finding]:
    contents = (
        traps_contents.code(evidence),
        traps_contents.wrapping(evidence),
        traps_contents.other_contents(evidence),
        traps_contents.network(evidence),
        traps_contents.names(evidence),
        traps_contents.identity(evidence),
        traps_contents.head(evidence),
    )
    rest = (trap(evidence) for trap in (*traps_settings.TRAPS, *traps_weights.TRAPS))
    last = traps_contents.opening(evidence, architecture)
    return [finding for finding in (*contents, *rest, last) if finding is not None]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
