"""compare(): from models and data to a study. Plans, runs, and hands the tables to the statistics."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from visavis.data.dataset import Dataset, Sample
from visavis.data.read import read_dataset, require_classes
from visavis.data.splits import describe_split, only_labelled, split
from visavis.data.views import View, parse_view
from visavis.engine.cache import default_cache
from visavis.engine.embed import embed
from visavis.engine.encoder import DEFAULT_TEMPLATES, Encoder, load
from visavis.errors import UsageError
from visavis.evaluate.scores import NotMeasurable
from visavis.progress import ShowProgress
from visavis.study.bootstrap import DRAWS, LEVEL
from visavis.study.cost import measure_costs
from visavis.study.effects import factorial_effects
from visavis.study.gallery import gallery
from visavis.study.measures import MEASURES, Evidence, take_measure
from visavis.study.pairs import compare_pairs, tie_groups
from visavis.study.protocol import describe_machine, describe_model, describe_packages, factors_of
from visavis.study.study import PROTOCOL, Study
from visavis.study.summary import summarize, with_naming
from visavis.study.verdict import write_verdict


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, checked before any work starts."""

    encoders: tuple[Encoder, ...]
    dataset: Dataset
    classes: tuple[str, ...]
    views: tuple[View, ...]
    templates: tuple[str, ...]
    seed: int

    def part(self, name: str) -> tuple[Sample, ...]:
        """The samples of "train" or "test"."""
        return tuple(sample for sample in self.dataset.samples if sample.part == name)


@dataclass
class Findings:
    """What the run gathers."""

    predictions: list[pd.DataFrame] = field(default_factory=list)
    empty_cells: list[dict[str, str]] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)


def compare(
    models: Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
    *,
    views: Sequence[str] = ("clean",),
    templates: Sequence[str] | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    progress: ShowProgress = lambda stage, done, total: None,
) -> Study:
    """Puts models face to face on one data set, with paired statistics.

    Args:
        models: Names from `list_models()`, or files that `visavis train` wrote.
        data: A folder with one folder a class, a CSV or Parquet table, or an embedded data set's name.
        out: Folder to write the study to; None keeps it in memory.
        views: How the test images are shown; see `visavis.data.views`.
        templates: Prompts with {} for a class name; the data's own, or CLIP's usual one, when None.
        test_fraction: Share of each class that is tested, where the data do not say so themselves.
        seed: Of the split, the folds and the bootstrap.
        progress: Called with stage, done and total.

    Returns:
        The study; written to `out` with its report where `out` is given.

    Raises:
        UsageError: Unknown or repeated models, data that cannot be compared on, or an `out` that holds something else.
        VisavisError: No image could be read, or the disk is full.
    """
    started = time.monotonic()
    _check_lists(models, views, templates)
    arguments = {
        "models": list(models), "data": str(data), "views": list(views), "templates": list(templates or ()),
        "test_fraction": test_fraction, "seed": seed,
    }  # fmt: skip
    chosen_views = tuple(parse_view(name) for name in views)
    encoders = tuple(load(name) for name in models)
    if out is not None:
        claim_folder(Path(out), arguments)
    read = read_dataset(data, progress=lambda done, total: progress("reading images", done, total))
    parted = split(read, test_fraction=test_fraction, seed=seed)
    require_classes(parted)
    parted = only_labelled(parted)
    plan = Plan(
        encoders=encoders,
        dataset=parted,
        classes=parted.classes,
        views=chosen_views,
        templates=tuple(templates or parted.templates or DEFAULT_TEMPLATES),
        seed=seed,
    )
    findings = run_measures(plan, progress)
    costs = measure_costs(encoders, plan.part("test"), progress)
    split_words = describe_split(read, parted, seed=seed)
    study = conclude(plan, findings, costs, {"arguments": arguments, "split": split_words, "started": started})
    if out is not None:
        study.save(Path(out))
    return study


def _check_lists(models: Sequence[str], views: Sequence[str], templates: Sequence[str] | None) -> None:
    for what, given in (("models", models), ("views", views), ("templates", templates)):
        if isinstance(given, str):
            raise UsageError(f"{what} must be a list: [{given!r}].")
    if not models:
        raise UsageError("No model was named. Give one or more, for instance resnet-mini.emoji and RN-mini.emoji.")
    for what, names in (("model", models), ("view", views)):
        if len(set(names)) < len(names):
            raise UsageError(f"A {what} is named twice in {', '.join(names)}. Name each once.")
    for template in templates or ():
        if "{}" not in template:
            raise UsageError(f"The prompt template {template!r} has no {{}} where the class name goes.")


def claim_folder(out: Path, arguments: dict[str, Any]) -> None:
    """Checks, before hours of work, that the study can be written there and overwrites nothing else."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".write-test").touch()
        (out / ".write-test").unlink()
        others = [path for path in out.iterdir() if not path.name.startswith(".")]
        if not others:
            return
        if not (out / PROTOCOL).is_file():
            raise UsageError(
                f"{str(out)!r} already holds other files ({others[0].name!r} for one). Choose another --out."
            )
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


def run_measures(plan: Plan, progress: ShowProgress) -> Findings:
    """Every measure of every model under every view: one row a decision."""
    findings = Findings()
    train, test = plan.part("train"), plan.part("test")
    test_labels = tuple(str(sample.label) for sample in test)
    for encoder in plan.encoders:
        train_vectors = _embed(encoder, train, parse_view("clean"), "training images", progress)
        for view in plan.views:
            evidence = Evidence(
                encoder=encoder,
                classes=plan.classes,
                prompt_names=tuple(name.replace("_", " ") for name in plan.classes),
                templates=plan.templates,
                train=train_vectors,
                train_labels=tuple(str(sample.label) for sample in train),
                test=_embed(encoder, test, view, f"test images, {view.name}", progress),
                seed=plan.seed,
            )
            for done, measure in enumerate(MEASURES, start=1):
                _take(measure, evidence, view, test, test_labels, findings)
                progress(f"measures of {encoder.name}, {view.name}", done, len(MEASURES))
    return findings


def _take(
    measure: str,
    evidence: Evidence,
    view: View,
    test: tuple[Sample, ...],
    labels: tuple[str, ...],
    findings: Findings,
) -> None:
    model = evidence.encoder.name
    try:
        decisions, chosen = take_measure(measure, evidence, labels)
    except NotMeasurable as reason:
        cell = {"model": model, "measure": measure, "reason": str(reason)}
        if cell not in findings.empty_cells:
            findings.empty_cells.append(cell)
        return
    decisions.insert(0, "sample", [sample.id for sample in test])
    decisions.insert(1, "model", model)
    decisions.insert(2, "view", view.name)
    decisions.insert(3, "measure", measure)
    decisions.insert(4, "draw", 0)
    findings.predictions.append(decisions)
    findings.chosen.setdefault(measure, {})[model] = chosen


def conclude(plan: Plan, findings: Findings, costs: pd.DataFrame, run: dict[str, Any]) -> Study:
    """Statistics, verdict and protocol from what was gathered."""
    if not findings.predictions:
        reasons = "; ".join(sorted({cell["reason"] for cell in findings.empty_cells}))
        raise UsageError(f"None of the measures can be taken on these data: {reasons}")
    predictions = with_naming(pd.concat(findings.predictions, ignore_index=True))
    pairs = compare_pairs(predictions, seed=plan.seed)
    results = tie_groups(summarize(predictions, seed=plan.seed), pairs)
    results = pd.concat([results, costs], ignore_index=True)
    factors = factors_of(plan.encoders)
    effects = factorial_effects(predictions, factors, seed=plan.seed)
    described = [describe_model(encoder, costs) for encoder in plan.encoders]
    test = plan.part("test")
    protocol = {
        "visavis": describe_packages().pop("visavis"),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(run["arguments"]),
        "arguments": run["arguments"],
        "verdict": write_verdict(results, pairs, effects, described),
        "data": {
            "name": plan.dataset.name,
            "fingerprint": plan.dataset.fingerprint,
            "n_train": len(plan.part("train")),
            "n_test": len(test),
            "classes": len(plan.classes),
            "skipped": [{"name": file.name, "reason": file.reason} for file in plan.dataset.skipped],
            "split": run["split"],
        },
        "models": described,
        "measures": {name: {"chosen": findings.chosen.get(name, {})} for name in MEASURES}
        | {"zero_shot": {"templates": list(plan.templates)}},
        "empty_cells": findings.empty_cells,
        "seed": plan.seed,
        "bootstrap": {"draws": DRAWS, "level": LEVEL},
        "machine": describe_machine(),
        "packages": describe_packages(),
        "seconds": {"total": round(time.monotonic() - run["started"], 1)},
    }
    return Study(
        results=results,
        pairs=pairs,
        effects=effects,
        predictions=predictions,
        thumbnails=gallery(predictions, results, test),
        protocol=protocol,
    )


def command_line(arguments: dict[str, Any]) -> str:
    """The command that repeats a study."""
    import shlex

    parts = ["visavis", "compare", *arguments["models"], "--data", arguments["data"]]
    parts += [word for view in arguments["views"] for word in ("--view", view)]
    parts += [word for template in arguments["templates"] for word in ("--template", template)]
    parts += ["--test-fraction", str(arguments["test_fraction"]), "--seed", str(arguments["seed"])]
    return shlex.join(parts)


def _embed(encoder: Encoder, samples: tuple[Sample, ...], view: View, what: str, progress: ShowProgress) -> np.ndarray:
    stage, done = f"{encoder.name}: {what}", 0

    def advance(images: int) -> None:
        nonlocal done
        done += images
        progress(stage, done, len(samples))

    return embed(encoder, samples, view, default_cache(), advance)
