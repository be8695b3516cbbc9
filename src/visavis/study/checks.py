"""Before hours of work: are the arguments of a study sound, and can its folder hold it?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visavis.errors import UsageError, did_you_mean
from visavis.study.chapters.quality import KINDS
from visavis.study.chapters.write import CHAPTERS
from visavis.study.measures import MEASURES
from visavis.study.study import PROTOCOL
from visavis.study.summary import UNCLASSED


def check_lists(
    models: Sequence[str],
    views: Sequence[str],
    templates: Sequence[str] | None,
    classes: Sequence[str],
    measures: Sequence[str],
) -> None:
    """Raises UsageError where a list is none, is empty, or names what is not there."""
    lists = {"models": models, "views": views, "templates": templates, "classes": classes, "measures": measures}
    for what, given in lists.items():
        if isinstance(given, str):
            raise UsageError(f"{what} must be a list: [{given!r}].")
    if not models:
        raise UsageError("No model was named. Give one or more, for instance resnet-mini.emoji and RN-mini.emoji.")
    for what, names in (("model", models), ("view", views), ("class", classes)):
        if len(set(names)) < len(names):
            raise UsageError(f"A {what} is named twice in {', '.join(names)}. Name each once.")
    if len(classes) == 1:
        raise UsageError(f"One class, {classes[0]!r}, is no choice: any answer is the same. Give two or more.")
    _check_measures(measures)


def check_kinds(exclude: Sequence[str]) -> None:
    """Raises UsageError where a kind of doubtful images is none that is looked for."""
    if isinstance(exclude, str):
        raise UsageError(f"exclude must be a list: [{exclude!r}].")
    for kind in exclude:
        if kind not in KINDS:
            near = did_you_mean(kind, KINDS) or f"There are {', '.join(KINDS)}."
            raise UsageError(f"No kind of doubtful images is called {kind!r}. {near}")


def _check_measures(measures: Sequence[str]) -> None:
    known = [*MEASURES, *UNCLASSED, *CHAPTERS]
    for measure in measures:
        if measure not in known:
            near = did_you_mean(measure, known)
            raise UsageError(f"There is no measure {measure!r}. {near or 'There are ' + ', '.join(known) + '.'}")
    if measures and not set(measures) & {*MEASURES, *UNCLASSED}:
        basic = ", ".join((*MEASURES, *UNCLASSED))
        raise UsageError(f"Name at least one of {basic} among the measures: the others build on them.")


def check_margin(margin: float) -> None:
    """Raises UsageError where no difference could be inside the margin, or every one is."""
    if not 0 < margin < 1:
        raise UsageError(f"The margin must lie between 0 and 1, both excluded, but is {margin}. 2 points are 0.02.")


def claim_folder(out: Path, arguments: dict[str, Any]) -> None:
    """Checks, before hours of work, that the study can be written there and overwrites nothing else."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".write-test").touch()
        (out / ".write-test").unlink()
        found = next((path for path in out.rglob("*") if path.is_file() and not _is_hidden(path, out)), None)
        if found is None:
            return
        if not (out / PROTOCOL).is_file():
            raise UsageError(f"{str(out)!r} already holds other files ({found.name!r} for one). Choose another --out.")
        saved = json.loads((out / PROTOCOL).read_text("utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{str(out)!r} cannot hold the study: {reason}. Choose another --out.") from error
    before = saved.get("arguments") if isinstance(saved, dict) else None
    if before != arguments:
        of = before.get("data") if isinstance(before, dict) else "unknown data"
        raise UsageError(f"{str(out)!r} holds another study, of {of}. Choose another --out, or delete that folder.")


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
