"""compare(): from models and data to a study. Plans, runs, and hands the tables to the statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from visavis.data.known import known_of
from visavis.data.presets import expand_views
from visavis.data.prompts import read_prompts
from visavis.data.read import read_dataset, require_classes, require_several_classes
from visavis.data.splits import (
    describe_split,
    only_captioned,
    only_labelled,
    only_several_labelled,
    only_test,
    split,
)
from visavis.data.views import View, parse_view
from visavis.engine.cache import default_cache
from visavis.engine.embed import embed, embed_features
from visavis.engine.encoder import DEFAULT_TEMPLATES, Encoder
from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.evaluate.text_in_pictures import can_read_text
from visavis.progress import ShowProgress
from visavis.study.bootstrap import DRAWS, LEVEL
from visavis.study.captions import require_choice
from visavis.study.chapters.chapter import Material
from visavis.study.chapters.quality import checked_for
from visavis.study.chapters.write import write_chapters
from visavis.study.checks import check_kinds, check_lists, check_margin, claim_folder
from visavis.study.cost import measure_costs
from visavis.study.effects import factorial_effects
from visavis.study.effort import effort_of, thin_out
from visavis.study.equal_cost import Cost, at_equal_cost, check_equal
from visavis.study.estimate import estimate
from visavis.study.found_again import CHANGES, require_others
from visavis.study.gallery import gallery
from visavis.study.leave_out import leave_out
from visavis.study.measures import MEASURES
from visavis.study.multi_label import classes_among
from visavis.study.pairs import MARGIN, compare_pairs, tie_groups
from visavis.study.plan import Plan
from visavis.study.protocol import (
    command_line,
    describe_machine,
    describe_model,
    describe_packages,
    factors_of,
    n_groups,
)
from visavis.study.run import Findings, run_measures
from visavis.study.study import Study
from visavis.study.summary import ANY_LABEL, ANY_LABEL_PROBE, FOUND_AGAIN, IMAGE_TO_TEXT, summarize, with_naming
from visavis.study.unfinished import Unfinished
from visavis.study.verdict import write_verdict
from visavis.zoo.preprocess import Crop


def compare(  # noqa: PLR0913  # each is one choice of the user's
    models: Sequence[str],
    data: str | Path,
    out: str | Path | None = None,
    *,
    views: Sequence[str] = (),
    templates: Sequence[str] | None = None,
    classes: Sequence[str] = (),
    measures: Sequence[str] = (),
    others: str | Path | None = None,
    exclude: Sequence[str] = (),
    test_fraction: float = 0.5,
    resolution: int | None = None,
    crop: Crop = "own",
    equal: Cost | None = None,
    margin: float = MARGIN,
    seed: int = 0,
    effort: str = "usual",
    progress: ShowProgress = lambda stage, done, total: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Study:
    """Puts models face to face on one data set, with paired statistics.

    Args:
        models: Names from `list_models()`, or files that `visavis train` wrote.
        data: A folder with one folder a class, a CSV or Parquet table, any other form of docs/data.md, or an embedded
            data set's name.
        out: Folder to write the study to; None keeps it in memory.
        views: How the test images are shown, see docs/views.md, also for names of several; the effort's when empty.
        templates: Prompts with {} for a class name, names of `PROMPT_SETS`, or files; the data's own, or CLIP's usual
            one, when None.
        classes: Names to choose from for images that have no labels; none is right or wrong then.
        measures: Which measures and chapters are taken, see `MEASURES` and `CHAPTERS`; the effort's when empty.
        others: Images of another kind, read as `data` are, which a model should notice; None for none.
        exclude: Kinds of doubtful test images to leave out of everything: "duplicates", "label_errors", "outliers".
        test_fraction: Share of each class that is tested, where the data do not say so themselves.
        resolution: Side in pixels at which all models see the images; each model's own when None.
        crop: Which part of an image they see, as in `load`.
        equal: "macs" or "ms": each model at the largest size at which it costs no more than the cheapest at its own.
        margin: A difference in accuracy that makes none, a fraction: models shown to be closer are equivalent.
        seed: Of the split, the folds and the bootstrap.
        effort: "quick" for a first look, "usual", or "thorough": see `EFFORTS`.
        progress: Called with stage, done and total.
        tell: Called with an estimate of how long it takes, in a sentence, before the encoding starts.

    Returns:
        The study; written to `out` with its report where `out` is given.

    Raises:
        UsageError: Unknown or repeated models, data that cannot be compared on, or an `out` that holds something else.
        VisavisError: No image could be read, or the disk is full.
    """
    started = time.monotonic()
    wanted = effort_of(effort)
    views = views or wanted.views
    if not measures and wanted.measures:
        measures = (*wanted.measures, "given_classes") if classes else wanted.measures
    check_lists(models, views, templates, classes, measures)
    check_kinds(exclude)
    check_margin(margin)
    check_equal(equal, resolution)
    arguments = {
        "models": list(models), "data": str(data), "views": list(views), "templates": list(templates or ()),
        "classes": list(classes), "measures": list(measures), "others": None if others is None else str(others),
        "exclude": list(exclude), "test_fraction": test_fraction, "resolution": resolution, "crop": crop,
        "equal": equal, "margin": margin, "seed": seed, "effort": effort,
    }  # fmt: skip
    prompts = read_prompts(templates or ())
    chosen_views = tuple(parse_view(name) for name in expand_views(views))
    encoders = tuple(load(name, image_size=resolution, crop=crop) for name in models)
    if equal is not None:
        encoders = at_equal_cost(encoders, equal, crop)
    unfinished = Unfinished(None if out is None else Path(out))
    if out is not None:
        claim_folder(Path(out), arguments)
    plan, split_words = _read_plan(arguments, encoders, chosen_views, prompts, progress)
    unfinished.begin(arguments)
    tell(estimate(plan, default_cache()).in_words())
    if wanted.text and not plan.text:
        tell("Text in the pictures is not looked for: that takes pip install 'visavis[text]'.")
    findings = run_measures(plan, unfinished, progress)
    if not findings.predictions:
        reasons = " ".join(sorted({cell["reason"] for cell in findings.empty_cells}))
        raise UsageError(f"None of the measures can be taken on these data: {reasons or _what_is_for(plan)}")
    costs = measure_costs(encoders, plan.part("test")[: wanted.timed], progress)
    run = {"arguments": arguments, "split": split_words, "started": started}
    study = conclude(plan, findings, costs, run, progress)
    if out is not None:
        study.save(Path(out))
        unfinished.end()
    return study


def _read_plan(
    arguments: dict[str, Any],
    encoders: tuple[Encoder, ...],
    views: tuple[View, ...],
    prompts: tuple[str, ...],
    progress: ShowProgress,
) -> tuple[Plan, str]:
    """The images in their parts, and in words how they were parted."""
    seed, others, most = arguments["seed"], arguments["others"], effort_of(arguments["effort"]).images
    read = read_dataset(arguments["data"], progress=lambda done, total: progress("reading images", done, total))
    strange = () if others is None else read_dataset(others).samples
    known = known_of(read)
    if arguments["classes"] and known != "nothing":
        raise UsageError(
            f"--classes names what images without labels may show, and those of {arguments['data']!r} have labels or "
            "captions. Leave out --classes; other prompts for the data's own classes are --template's."
        )
    if known in ("captions", "nothing"):
        _check_without_labels(arguments)
    if known == "classes":
        require_several_classes(read)
        whole = only_several_labelled(read)
    elif known == "captions":
        whole = only_captioned(read)
        require_choice(whole)
    elif known == "nothing":
        whole = only_test(read)
        require_others(whole.samples, whole.name)
        changed = tuple(view for view in views if view.name != "clean")
        views = (parse_view("clean"), *(changed or map(parse_view, CHANGES)))
    else:
        parted = split(read, test_fraction=arguments["test_fraction"], seed=seed)
        require_classes(parted)
        whole = only_labelled(parted)
    used = whole if most is None else thin_out(whole, most, seed)
    said = describe_split(read, used, seed=seed)
    if len(used.samples) < len(whole.samples):
        said += (
            f" For a quick look these are {len(used.samples):,} of {len(whole.samples):,} images; what learns from "
            "examples knows their classes alone."
        )
    plan = Plan(
        encoders=encoders,
        dataset=used,
        classes=whole.classes,
        views=views,
        templates=prompts or whole.templates or DEFAULT_TEMPLATES,
        seed=seed,
        given=tuple(arguments["classes"]),
        measures=tuple(arguments["measures"]),
        others=strange,
        margin=arguments["margin"],
        crop=arguments["crop"],
        text=effort_of(arguments["effort"]).text and can_read_text(),
    )
    return plan, said


def _check_without_labels(arguments: dict[str, Any]) -> None:
    """Raises UsageError where something was asked for that images without labels cannot tell."""
    for option in ("exclude", "others"):
        if arguments[option]:
            raise UsageError(
                f"--{option} compares with classes, and the images of {arguments['data']!r} have no two labels. "
                f"Leave out --{option}, or fill the table's column label."
            )


def conclude(plan: Plan, findings: Findings, costs: pd.DataFrame, run: dict[str, Any], progress: ShowProgress) -> Study:
    """Statistics, verdict and protocol from what was gathered."""
    material = with_statistics(
        Material(
            plan=plan, predictions=with_naming(pd.concat(findings.predictions, ignore_index=True)), results=costs,
            pairs=pd.DataFrame(), probabilities=findings.probabilities, progress=progress, earlier={},
            embed=lambda encoder, samples, view: embed(encoder, samples, view, default_cache()),
            features=lambda encoder, samples, view: embed_features(encoder, samples, view, default_cache()),
        ),
        costs,
    )  # fmt: skip
    whole = plan.dataset
    split_words = run["split"]
    if run["arguments"]["exclude"]:
        checked, doubtful = checked_for(material, run["arguments"]["exclude"])
        split_words += f" {len(doubtful):,} doubtful test images were left out afterwards."
        material = replace(with_statistics(leave_out(material, doubtful), costs), earlier={"quality": checked})
    plan, predictions, results, pairs = material.plan, material.predictions, material.results, material.pairs
    effects = factorial_effects(predictions, factors_of(plan.encoders), seed=plan.seed)
    written = write_chapters(material)
    described = [describe_model(encoder, costs) for encoder in plan.encoders]
    test = plan.part("test")
    protocol = {
        "visavis": describe_packages().pop("visavis"),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(run["arguments"]),
        "arguments": run["arguments"],
        "verdict": write_verdict(results, pairs, effects, described, written.says()),
        "data": {
            "name": whole.name,
            "fingerprint": whole.fingerprint,
            "n_train": len(plan.part("train")),
            "n_test": len(test),
            "classes": len(plan.classes or classes_among(whole)),
            "skipped": [{"name": file.name, "reason": file.reason} for file in whole.skipped],
            "split": split_words,
            "others": len(plan.others),
            **({"groups": n_groups(test)} if any(sample.group for sample in test) else {}),
        },
        "models": described,
        "measures": _how_taken(plan, findings),
        "empty_cells": findings.empty_cells,
        "chapters": written.described(),
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
        thumbnails=gallery(predictions, results, whole.samples, written.pictures()),
        chapters=written.tables(),
        protocol=protocol,
    )


def _how_taken(plan: Plan, findings: Findings) -> dict[str, dict[str, Any]]:
    """The prompts of each measure, and what was chosen or left out for each model."""
    taken: dict[str, dict[str, Any]] = {name: {} for name in MEASURES if plan.wants(name)}
    taken |= {name: {"chosen": by_model} for name, by_model in findings.chosen.items()}
    by_prompt = {"zero_shot": plan.known in ("class", "classes"), "given_classes": bool(plan.given)}
    for name in (name for name, prompted in by_prompt.items() if prompted):
        taken[name] = {**taken.get(name, {}), "templates": list(plan.templates)}
    return taken


def _what_is_for(plan: Plan) -> str:
    """Which measure such data have, where none of theirs was named."""
    return {
        "class": "they have labels, and captions are then found in the chapter retrieval alone.",
        "classes": f"they have several classes an image, which is what {ANY_LABEL} and {ANY_LABEL_PROBE} are for.",
        "captions": f"they have captions and no labels, which is what {IMAGE_TO_TEXT} is for.",
        "nothing": f"they have neither labels nor captions, which is what {FOUND_AGAIN} is for.",
    }[plan.known]


def with_statistics(material: Material, costs: pd.DataFrame) -> Material:
    """The material with the accuracies and pairs that follow from its predictions, and the costs."""
    predictions, seed = material.predictions, material.plan.seed
    pairs = compare_pairs(predictions, margin=material.plan.margin, seed=seed)
    results = tie_groups(summarize(predictions, seed=seed), pairs)
    return replace(material, pairs=pairs, results=pd.concat([results, costs], ignore_index=True))
