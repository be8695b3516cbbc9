"""Networks taken apart: inspect, explain, diff."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from visavis.cli.app import app, err_console, out_console
from visavis.errors import UsageError


@app.command
def inspect(
    *models: str, out: Path | None = None, data: str | None = None, image: Path | None = None, depth: int = 2
) -> None:
    """Open networks layer by layer and side by side; no weights are needed, and none are opened without --out.

    Example: visavis inspect resnet50 ViT-B-32

    Parameters
    ----------
    models
        Names from `visavis list`, with or without a tag, files of weights, or other libraries' networks (timm/NAME,
        open_clip/NAME, hf/REPOSITORY).
    out
        Folder for index.html and anatomy.json, instead of the tables.
    data
        A folder, a table or an embedded set such as emoji, on which models that have weights are measured; with --out.
    image
        The picture whose attention is shown; with --out.
    depth
        Levels of the tree: 1 for stages, 2 for blocks, 3 for what is in them.
    """
    if not models:
        raise UsageError("Name at least one model to inspect, such as resnet50; `visavis list` shows all.")
    if out is None:
        if data is not None or image is not None:
            raise UsageError("--data and --image are for the page: give its folder with --out.")
        print_anatomies(models, depth)
        return
    from visavis.inspection.opened import open_networks
    from visavis.progress import show_progress

    with show_progress(err_console) as progress:
        print(open_networks(models, out, data, image, progress))


def print_anatomies(models: Sequence[str], depth: int) -> None:
    """The steps of all networks side by side, then of each its layers, its famous numbers and what is missing."""
    from visavis.inspection.anatomy.anatomy import COUNTED
    from visavis.inspection.anatomy.anatomy import inspect as open_network
    from visavis.report.tree import counts_table, crossing_lines, layer_tree, parts_table

    anatomies = [open_network(name) for name in models]
    out_console.print(parts_table(anatomies, out_console.width))
    for anatomy in anatomies:
        out_console.print(layer_tree(anatomy, depth, out_console.width))
        out_console.print(counts_table(anatomy))
        for note in anatomy.notes:
            out_console.print(Text(note))
        out_console.print()
    if crossed := crossing_lines(anatomies):
        out_console.print(crossed)
    out_console.print(Text(COUNTED))


@app.command
def explain(
    *models_and_image: str,
    text: list[str] | None = None,
    class_: Annotated[list[str] | None, Parameter(name="--class")] = None,
    method: str | None = None,
    check: bool = False,
    out: Path | None = None,
) -> None:
    """Show where in an image each model finds what it is asked for; or, with --check, test which maps to believe.

    Example: visavis explain RN-mini.emoji ViT-mini-8.emoji dog.png --text "a dog" --out dog.html

    Parameters
    ----------
    models_and_image
        One model or several, by name or file, and last the image; with --check, models alone.
    text
        What a CLIP is asked for; may be given several times.
    class_
        What a supervised model is asked for; may be given several times. Its own prediction when left out.
    method
        grad_cam, relevance, rollout or occlusion; the first that suits each model when left out.
    check
        Test all methods that fit the models: do maps find the right one of two objects, fall apart with the weights,
        and name the pixels that matter?
    out
        The picture (.png) or page (.html); explanation.png when left out, with --check explanation-check.html.
    """
    if check:
        if text or class_ or method:
            raise UsageError("--check asks questions of its own: leave --text, --class and --method out.")
        _check_explanations(models_and_image, out or Path("explanation-check.html"))
        return
    from visavis.inspection.explain.explain import explain_image
    from visavis.progress import show_progress
    from visavis.report.explanation import check_suffix, scores_table, write_explanation

    out = out or Path("explanation.png")
    check_suffix(out)
    with show_progress(err_console) as progress:
        maps = explain_image(models_and_image, text or (), class_ or (), method, progress)
    out_console.print(scores_table(maps))
    for note in dict.fromkeys(note for one in maps for note in one.notes):
        out_console.print(Text(note))
    print(write_explanation(maps, out))


def _check_explanations(models: tuple[str, ...], out: Path) -> None:
    from visavis.engine.load import load
    from visavis.inspection.explain.trust import measure_trust
    from visavis.progress import show_progress
    from visavis.report.explanation_check import check_page_suffix, trust_table, write_check

    check_page_suffix(out)
    if not models:
        raise UsageError(
            "Give the models whose explanations are tested, as in `visavis explain --check ViT-mini-8.emoji`."
        )
    with show_progress(err_console) as progress:
        tested = [one for name in models for one in measure_trust(load(name), progress=progress)]
    out_console.print(trust_table(tested))
    print(write_check(tested, out))


@app.command
def diff(a: str, b: str, /, *, image: Path | None = None, text: str | None = None, out: Path | None = None) -> None:
    """Run two encoders on the same image and text and show the first layer at which they part.

    Example: visavis diff ViT-B-32.openai open_clip/ViT-B-32::openai --text "a dog" --out diff.html

    Parameters
    ----------
    a
        A name, a file (FILE::NAME where it does not say what it is), or another library's network (timm/NAME,
        open_clip/NAME::TAG, hf/REPOSITORY).
    b
        Another of the same family.
    image
        What both see; a drawn picture when left out.
    text
        What both read, if they read.
    out
        Where the plot goes: .html for a page with all numbers, .svg for the plot alone.
    """
    from visavis.engine.load import load
    from visavis.inspection.difference.compare import compare_layers
    from visavis.report.layers import check_suffix, write_layers
    from visavis.report.terminal import layers_table

    if out is not None:
        check_suffix(out)
    found = compare_layers(load(a), load(b), image=image, text=text)
    out_console.print(layers_table(found))
    for said in found.verdict.values():
        out_console.print(Text(said))
    if out is not None:
        print(write_layers(found, out))
