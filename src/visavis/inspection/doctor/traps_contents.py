"""Traps in what a file holds: code, wrappers, other copies of the weights, names, identity, head."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from visavis.errors import UsageError, VisavisError
from visavis.inspection.doctor.diagnosis import Finding, Verdict
from visavis.inspection.doctor.evidence import Evidence
from visavis.inspection.doctor.pickled_names import DANGEROUS, HARMLESS, HIDDEN, names_in
from visavis.models.clip import CLIPConfig
from visavis.zoo.layouts.names import COUNTER
from visavis.zoo.layouts.reading import UnknownSettingError
from visavis.zoo.layouts.skeleton import read_skeleton
from visavis.zoo.opening import config_of, open_checkpoint

SHOWN = 5
_AVERAGES = re.compile(r"(^|[._])(ema|teacher|averaged|swa|momentum_encoder)([._]|$)|_ema\b", re.IGNORECASE)
_OPTIMIZERS = re.compile(r"optim|sched|scaler|opt_state|opt/", re.IGNORECASE)


def code(evidence: Evidence) -> Finding:
    """Whether a pickle names functions that another loader would import and run."""
    trap, file = "code", evidence.file
    if file.container in ("safetensors", "npz"):
        return Finding(trap=trap, verdict="good", found=f"A file of the kind {file.container} holds no code.")
    try:
        names = names_in(file.path, file.container)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        return Finding(trap=trap, verdict="unknown", found=f"The names in its pickle cannot be read ({error}).")
    strange = [name for name in names if not HARMLESS.fullmatch(name)]
    dangerous = [name for name in strange if name == HIDDEN or DANGEROUS.match(name)]
    if dangerous:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"Loading it with torch.load(weights_only=False) would run {listed(dangerous)}. visavis ran nothing.",
            remedy="Do not load it elsewhere. `visavis convert` writes its tensors, without the code, to a new file; "
            "better fetch the weights from their publisher.",
        )
    if strange:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"The pickle also names {listed(strange)}, which other loaders import; nothing was imported here.",
            remedy="If you do not know them, convert the file to safetensors and use that elsewhere.",
        )
    more = " Its TorchScript was read as text and not run." if file.container == "torchscript" else ""
    return Finding(trap=trap, verdict="good", found=f"Its pickle names nothing but parts of tensors.{more}")


def wrapping(evidence: Evidence) -> Finding:
    """What was taken off the tensors' names."""
    taken = evidence.file.unwrapped
    found = f"Taken off the names: {listed(taken)}." if taken else "The names stand as a network has them."
    averaged = [name for name in taken if _AVERAGES.search(name)]
    if averaged:
        return Finding(
            trap="wrapping",
            verdict="warning",
            found=f"{found} So these are a moving average of the weights, and the file holds no others.",
            remedy="That is what most trainers evaluate. Where you need the weights themselves, save those.",
        )
    return Finding(trap="wrapping", verdict="good", found=found)


def other_contents(evidence: Evidence) -> Finding:
    """Optimizers' states, counters and other copies of the weights."""
    trap, ignored = "other contents", evidence.file.ignored
    if not ignored:
        return Finding(trap=trap, verdict="good", found="Weights and nothing else.")
    averages = [name for name in ignored if _AVERAGES.search(name)]
    if averages:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"Beside the weights that are read lie others, a moving average: {listed(averages)}.",
            remedy="Averages often score better. To use them, save that entry alone as a file.",
        )
    kind = "an optimizer's state and " if any(_OPTIMIZERS.search(name) for name in ignored) else ""
    return Finding(
        trap=trap,
        verdict="good",
        found=f"Left aside: {kind}{len(ignored)} entries that are no weights ({listed(ignored)}).",
    )


def names(evidence: Evidence) -> Finding:
    """Missing and unexpected tensors, each with the nearest name."""
    report, layout, trap = evidence.report, evidence.layout, "names"
    if report is None or layout is None:
        return Finding(
            trap=trap, verdict="unknown", found="Without a known network there are no names to compare with."
        )
    if not report.fits:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"Compared with a network by {layout.peers} of these sizes: {report.sentences()}",
            remedy="Fetch or save the whole network; rename what is spelled otherwise; remove what belongs elsewhere.",
        )
    found = f"All tensors are those of a network by {layout.peers}."
    if report.dropped:
        found += f" Not needed: {'; '.join(f'{name} ({meaning})' for name, meaning in report.dropped[:SHOWN])}."
    if report.filled:
        found += f" {len(report.filled)} counters ({COUNTER}) are absent, on which nothing depends."
    return Finding(trap=trap, verdict="good", found=found)


def network(evidence: Evidence) -> Finding:
    """Whether visavis has this network: the names, the shapes and what is stated beside them agree."""
    trouble, trap = evidence.trouble, "network"
    if trouble is None:
        return Finding(trap=trap, verdict="good", found="Names, shapes and what is stated beside them agree.")
    if isinstance(trouble, UnknownSettingError):
        untold = "how many heads its attention has" if trouble.setting == "heads" else f"its {trouble.setting}"
        if evidence.named:
            found = f"The file does not tell {untold}, but the architecture that was given does."
            return Finding(trap=trap, verdict="good", found=found)
        return Finding(
            trap=trap,
            verdict="unknown",
            found=f"The file does not tell {untold}.",
            remedy=f"Write FILE::NAME with {listed(trouble.choices)}."
            if trouble.choices
            else "No name that visavis knows fits: put the JSON that was published with the weights beside them.",
        )
    return Finding(trap=trap, verdict="bad", found=str(trouble), remedy="Nothing can be computed with it as it is.")


def opening(evidence: Evidence, architecture: str | None) -> Finding:
    """What `visavis.load` answers."""
    row = evidence.expected
    named = architecture or (row.name if row else None)
    try:
        open_checkpoint(evidence.file.path, named)
    except UsageError as error:
        return Finding(trap="opening", verdict="bad" if named else "unknown", found=str(error))
    except VisavisError as error:
        return Finding(trap="opening", verdict="bad", found=str(error))
    return Finding(trap="opening", verdict="good", found="visavis opens it.")


def identity(evidence: Evidence) -> Finding:
    """Whether a file that bears a published name is that checkpoint."""
    row, trap = evidence.published, "identity"
    if evidence.own:
        return Finding(trap=trap, verdict="good", found="visavis wrote it, with all that is needed to use it.")
    if row is None:
        return Finding(
            trap=trap,
            verdict="unknown",
            found="Neither its name nor its place says which published checkpoint it is, if any.",
            remedy="Write FILE::NAME with the published one to have it compared.",
        )
    differing = _differences(evidence)
    if evidence.is_published is False or differing:
        why = [*differing, *(["its sha256 is another"] if evidence.is_published is False else [])]
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"This should be {row.name}, but {', '.join(why)}.",
            remedy=f"Fetch it again (`visavis fetch {row.name}`), or give the file another name if it is your own.",
        )
    if evidence.is_published:
        return Finding(trap=trap, verdict="good", found=f"It is {row.name}: its checksum is the published one.")
    return Finding(
        trap=trap,
        verdict="unknown",
        found=f"It has the shapes of {row.name}. Its numbers cannot be checked: no checksum of this file is published.",
    )


def _differences(evidence: Evidence) -> list[str]:
    """Where the shapes contradict the published checkpoint, in words."""
    row, skeleton = evidence.published, evidence.skeleton
    assert row is not None, "only compared with a row"
    if evidence.layout is None or skeleton is None:
        return []
    wanted = config_of(row)
    if isinstance(wanted, CLIPConfig) != isinstance(skeleton, CLIPConfig):
        kinds = ("supervised network", "CLIP")
        return [f"it is a {kinds[isinstance(skeleton, CLIPConfig)]}, not a {kinds[isinstance(wanted, CLIPConfig)]}"]
    sizes, published = _sizes(read_skeleton(evidence.layout, evidence.file.tensors)), _sizes(wanted)
    return [
        f"{name} is {sizes[name]!r}, not {value!r}" for name, value in published.items() if sizes.get(name) != value
    ]


def _sizes(config: Any) -> dict[str, Any]:
    """The settings of a network that its shapes tell, by name."""
    if isinstance(config, CLIPConfig):
        towers = {"image": _sizes(config.visual), "text": _sizes(config.text)}
        return {f"{tower} {name}": value for tower, sizes in towers.items() for name, value in sizes.items()}
    untold = {"heads", "activation", "eps", *(() if hasattr(config, "patch_size") else ("image_size", "num_classes"))}
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in untold}


def head(evidence: Evidence) -> Finding | None:
    """Whether a supervised network still has its head, with as many classes as it should."""
    skeleton, row, trap = evidence.skeleton, evidence.expected, "head"
    if skeleton is None or isinstance(skeleton, CLIPConfig):
        return None
    classes = skeleton.num_classes
    wanted = _classes_wanted(evidence.file.config or {}, row.num_classes if row else None)
    contradicted = {source: count for source, count in wanted.items() if count != classes}
    if contradicted:
        sources = ", ".join(f"{source} says {count}" for source, count in contradicted.items())
        has = f"has {classes} classes" if classes else "is missing"
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"The head {has}, but {sources}.",
            remedy="Fetch the file with its own head; features before the head are not affected.",
        )
    if not classes:
        return Finding(
            trap=trap,
            verdict="warning",
            found="There is no head: features can be computed, classes cannot.",
            remedy="If one was published, fetch the file that has it.",
        )
    sure: Verdict = "good" if wanted or evidence.own else "unknown"
    known = f", as {' and '.join(wanted)} says" if wanted else ""
    known = known or (", as it says itself" if evidence.own else "; nothing says how many there should be")
    return Finding(trap=trap, verdict=sure, found=f"The head has {classes} classes{known}.")


def _classes_wanted(config: Mapping[str, Any], published: int | None) -> dict[str, int]:
    """How many classes each source states."""
    labels = config.get("id2label")
    counts = {
        "the published record": published,
        "id2label in config.json": len(labels) if isinstance(labels, dict) and labels else None,
        "num_classes in config.json": config.get("num_classes"),
    }
    return {source: count for source, count in counts.items() if isinstance(count, int)}


def listed(items: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(map(_printable, items[:SHOWN])) + more


def _printable(text: str) -> str:
    """What a file says of itself may hold anything, terminals' commands included."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100])
