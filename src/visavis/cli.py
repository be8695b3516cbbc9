"""The command line: parse, call the API, print. Heavy libraries load inside the command that needs them."""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.text import Text

from visavis.errors import UsageError, VisavisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from visavis.study.study import Study

app = App(
    name="visavis",
    help="Image encoders face to face: supervised ResNets, CLIP ResNets and CLIP Vision Transformers, on your images.",
    help_epilogue="Try `visavis demo`, then `visavis compare resnet-mini.emoji RN-mini.emoji --data photos/`.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),  # no --empty-view beside --view
    suppress_keyboard_interrupt=False,  # main() says what is kept
    result_action="return_value",
)
Target = Literal["openai", "open_clip", "hf", "timm", "torchvision", "visavis"]  # as in zoo/convert.py

out_console = Console(highlight=False, emoji=False)  # a name such as :cat: stays as it is
err_console = Console(stderr=True, highlight=False, emoji=False)


@app.command(name="list")
def list_command(pattern: str = "*", *, cached: bool = False) -> None:
    """Models that match a wildcard pattern, with what people choose by; a name with a tag behind the dot has weights.

    Example: visavis list 'ViT-B-32*'

    Parameters
    ----------
    pattern
        Of names, with * and ?; upper and lower case alike.
    cached
        Only weights that are on this machine.
    """
    from visavis.zoo.catalogue import COLUMNS, EMBEDDED, describe_models, list_models

    names = list_models(pattern)
    if cached:
        from visavis.zoo.cached import cached_names
        from visavis.zoo.published import read_published

        here = {*EMBEDDED, *cached_names(read_published().values())}
        names = [name for name in names if name in here]
    rows = describe_models(names)
    widths = {column: max(map(len, [column, *(row[column] for row in rows)])) for column in COLUMNS}
    for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]:
        print("  ".join(row[column].ljust(widths[column]) for column in COLUMNS).rstrip())


@app.command
def fetch(*names: str) -> None:
    """Fetch published weights into the cache that open_clip, timm and transformers share.

    Example: visavis fetch ViT-B-32.openai resnet50.tv_in1k

    Parameters
    ----------
    names
        Names from `visavis list` with a tag behind the dot.
    """
    from visavis.progress import show_progress
    from visavis.zoo.hub import fetch_published

    with show_progress(err_console) as progress:
        fetched = fetch_published(names, progress)
    for one in fetched:
        origin = "was there" if one.was_cached else "fetched"
        print(f"{one.name}  {origin}  {one.size / 1e6:.1f} MB  {one.path}")


@app.command
def convert(checkpoint: str, *, to: Target, out: Path) -> None:
    """Write a checkpoint in another library's format, which that library itself loads.

    Example: visavis convert ViT-B-32-openai.pt --to open_clip --out vit-b-32

    Parameters
    ----------
    checkpoint
        A file, a folder, or a name from `visavis list`; FILE::NAME where the file does not say what it is.
    to
        openai, open_clip, hf, timm, torchvision or visavis.
    out
        The file (.pt for openai, .pth for torchvision, .safetensors for visavis) or the new folder (the others).
    """
    from visavis.zoo.convert import convert as convert_checkpoint
    from visavis.zoo.finding import find_checkpoint

    written = convert_checkpoint(find_checkpoint(checkpoint), to, out)
    for note in written.notes:
        err_console.print(note, markup=False)
    print(written.path)


@app.command
def export(
    model: str, *, out: Path, format: Literal["onnx", "torchscript", "openvino"] = "onnx", calibrate: str | None = None
) -> None:
    """Write a model's image tower for other programs; it is compared with PyTorch as it is written.

    Example: visavis export RN50.openai --out rn50.onnx

    Parameters
    ----------
    model
        A name, a file, or another library's network.
    out
        The new file: .onnx, .pt for torchscript, .xml for openvino.
    format
        onnx, torchscript or openvino.
    calibrate
        Images to make int8 from, as for --data of `visavis compare`; float32 when left out.
    """
    from visavis.data.read import read_dataset
    from visavis.engine.encoder import load
    from visavis.engine.export import export as export_encoder
    from visavis.engine.export import pick_images

    images = pick_images(read_dataset(calibrate)) if calibrate else ()
    written = export_encoder(load(model), format, out, images)
    err_console.print(f"{written.said}.", markup=False)
    print(written.path)


@app.command
def doctor(file: str) -> None:
    """Say what a file of weights is and test it for the traps of loading; exit code 1 where a finding is bad.

    Example: visavis doctor ViT-B-32-openai.pt

    Parameters
    ----------
    file
        A file, a folder, or a name from `visavis list` with a tag behind the dot; FILE::NAME says what it should be,
        such as clip.pt::ViT-B-32.openai. Nothing in it is executed.
    """
    from visavis.inspection.doctor.examine import examine
    from visavis.progress import show_progress
    from visavis.report.terminal import facts_table, findings_table

    with show_progress(err_console) as progress:
        diagnosis = examine(file, progress)
    out_console.print(facts_table(diagnosis))
    out_console.print(findings_table(diagnosis))
    out_console.print(Text(f"{diagnosis.summary}."))
    if diagnosis.is_bad:
        traps = ", ".join(finding.trap for finding in diagnosis.findings if finding.verdict == "bad")
        raise VisavisError(f"{file!r} would mislead: {traps}. What to do stands beside each.")


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
    from visavis.engine.encoder import load
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
    from visavis.engine.encoder import load
    from visavis.inspection.explain.trust import measure_trust
    from visavis.progress import show_progress
    from visavis.report.explanation_check import check_page_suffix, trust_table, write_check

    check_page_suffix(out)
    if not models:
        raise UsageError("Give the models whose explanations are tested: visavis explain --check ViT-mini-8.emoji")
    with show_progress(err_console) as progress:
        tested = [one for name in models for one in measure_trust(load(name), progress=progress)]
    out_console.print(trust_table(tested))
    print(write_check(tested, out))


@app.command
def bench(*models: str, against: str = "", batch_size: int = 32, rounds: int = 5, out: Path | None = None) -> None:
    """Time networks with every engine that is installed, in turn with the same networks in other libraries.

    Example: visavis bench ViT-B-32 RN50 resnet50 --against open_clip,torchvision

    Parameters
    ----------
    models
        Architectures from `visavis list`; ViT-B-32, RN50 and resnet50 when left out.
    against
        Libraries, with commas between them: open_clip, torchvision, timm, transformers.
    batch_size
        Images in a batch.
    rounds
        How often everybody runs.
    out
        A file for all figures, as JSON.
    """
    from visavis.bench.bench import run_bench
    from visavis.progress import show_progress
    from visavis.report.speeds import speeds_table
    from visavis.zoo.files import replacing

    libraries = [name.strip() for name in against.split(",") if name.strip()]
    with show_progress(err_console) as progress:
        found = run_bench(models or ("ViT-B-32", "RN50", "resnet50"), libraries, batch_size, rounds, progress)
    out_console.print(speeds_table(found))
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(found.to_json(), encoding="utf-8")
        print(out)


@app.command
def compare(
    *models: str,
    data: str,
    out: Path = Path("out/study"),
    test_fraction: float = 0.5,
    template: list[str] | None = None,
    view: list[str] | None = None,
    seed: int = 0,
) -> None:
    """Compare encoders on your images and write a report with a verdict.

    Example: visavis compare resnet-mini.emoji RN-mini.emoji ViT-mini-8.emoji --data photos/ --out out/photos

    Parameters
    ----------
    models
        Names from `visavis list`, or files that `visavis train` wrote.
    data
        A folder with one folder a class, a CSV or Parquet table with the columns path and label, or an embedded data
        set: emoji, emoji-outline, emoji-all, emoji-all-outline, emoji-new.
    out
        Folder for report.html, results.csv, pairs.csv, effects.csv, predictions.parquet and study.json.
    test_fraction
        Share of each class that is tested, where the data do not say so themselves; the rest trains k-NN and probe.
    template
        Prompt with {} for the class name, for zero-shot; may be given several times.
    view
        How the images are shown: clean, grayscale; may be given several times.
    seed
        Of the split, the folds and the bootstrap.
    """
    from visavis.progress import show_progress
    from visavis.study.compare import compare as compare_models

    with show_progress(err_console) as progress:
        study = compare_models(
            models,
            data,
            out=out,
            test_fraction=test_fraction,
            templates=template,
            views=view or ("clean",),
            seed=seed,
            progress=progress,
        )
    print_study(study, out / "report.html")


@app.command
def embed(
    model: str,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    out: Path,
    view: str = "clean",
    float16: bool = False,
) -> None:
    """Write the vectors of all images into a Parquet file; the same command goes on where a stopped run was.

    Example: visavis embed ViT-B-32.openai photos/ --out photos.parquet

    Parameters
    ----------
    model
        A name from `visavis list`, a file, or another library's network.
    data
        A folder, a CSV or Parquet table, WebDataset tars (shard-{000..127}.tar), an embedded set, or - for a list of
        paths on standard input.
    out
        The .parquet file: id, name, label, embedding. What could not be read is listed in .skipped.csv beside it.
    view
        How the images are shown: clean, grayscale.
    float16
        Half the size; the numbers keep three digits.
    """
    from visavis.bulk.embed import embed_data
    from visavis.engine.encoder import load
    from visavis.progress import show_rate

    with show_rate(err_console) as progress:
        dtype = "float16" if float16 else "float32"
        summary = embed_data(load(model), data, out, view=view, dtype=dtype, on_progress=progress)
    print(summary.words)


@app.command
def search(
    model: str, data: str, text: str | None = None, *, image: Path | None = None, top: int = 20, out: Path | None = None
) -> None:
    """Show the images nearest to a text or to another image.

    Example: visavis search ViT-B-32.openai photos.parquet "a red car" --out cars.html

    Parameters
    ----------
    model
        The one that the embeddings are of; for a text, a CLIP.
    data
        A file that `visavis embed` wrote; or any data that it takes, which are embedded into the cache first.
    text
        What to look for.
    image
        What to look for, as a picture.
    top
        How many.
    out
        A contact sheet (.html), .csv or .json; a table in the terminal when left out.
    """
    import pandas as pd

    from visavis.bulk.search import OUTPUTS, write_found
    from visavis.bulk.search import search as search_images
    from visavis.bulk.tables import check_out
    from visavis.engine.encoder import load
    from visavis.progress import show_rate
    from visavis.report.terminal import found_table

    check_out(out, OUTPUTS)
    with show_rate(err_console) as progress:
        found = search_images(load(model), data, text, image, top, progress)
    if out is None:
        out_console.print(found_table(pd.DataFrame(found.hits)))
    else:
        print(write_found(found, out))


@app.command
def classify(
    model: str,
    /,
    *images: str,
    labels: str | None = None,
    labels_file: Path | None = None,
    template: list[str] | None = None,
    other: float | None = None,
    top: int = 5,
    out: Path | None = None,
) -> None:
    """Name images: by labels of yours, or by those that a supervised model was trained on.

    Example: visavis classify ViT-B-32.openai *.jpg --labels "cat,dog,red car" --other 0.5

    Parameters
    ----------
    model
        A name from `visavis list`, a file, or another library's network.
    images
        Image files.
    labels
        What to choose from, with commas between; of a supervised model all that it knows when left out.
    labels_file
        A text file with one label a line.
    template
        Prompt with {} for the label; may be given several times.
    other
        The answer is "other" where the likeliest label has less than this probability.
    top
        How many labels of each image are shown.
    out
        .csv or .json; a table in the terminal when left out.
    """
    from visavis.bulk.classify import OUTPUTS, read_labels
    from visavis.bulk.classify import classify as classify_images
    from visavis.bulk.tables import check_out, write_text
    from visavis.engine.encoder import load
    from visavis.report.terminal import answers_table

    check_out(out, OUTPUTS)
    chosen = read_labels(labels, labels_file)
    found = classify_images(load(model), images, chosen, template, other, top)
    for skipped in found.skipped:
        err_console.print(f"skipped {skipped.name!r}: {skipped.reason}", markup=False, soft_wrap=True)
    if out is None:
        out_console.print(answers_table(found.table))
    else:
        print(write_text(out, found.table, {"model": model}))


@app.command
def cache(*, prune: bool = False, max_size: str | None = None) -> None:
    """Show what is kept between runs, by model; or, with --prune, remove what was not used for longest.

    Example: visavis cache --prune --max-size 5GB

    Parameters
    ----------
    prune
        Remove the least recently used entries until the rest fits.
    max_size
        How much may stay; $VISAVIS_CACHE_SIZE, else 20GB, when left out.
    """
    from visavis.engine.cache import default_cache, list_kept, parse_size, size_limit, summarise
    from visavis.engine.cache import prune as prune_cache
    from visavis.report.terminal import cache_table

    if max_size is not None and not prune:
        raise UsageError("--max-size says how much --prune leaves: give both.")
    limit = size_limit() if max_size is None else parse_size(max_size)
    if prune:
        removed = prune_cache(default_cache(), limit)
        print(f"Removed {len(removed)} entries of {sum(entry.size for entry in removed) / 1e6:,.1f} MB.")
    kept = list_kept(default_cache())
    if kept:
        out_console.print(cache_table(summarise(kept)))
    total = sum(entry.size for entry in kept) / 1e6
    out_console.print(Text(f"{default_cache()}: {total:,.1f} MB of at most {limit / 1e6:,.0f} MB"), soft_wrap=True)


@app.command
def demo(out: Path = Path("out/demo")) -> None:
    """Compare the four embedded models on the embedded emoji, without network.

    Example: visavis demo --out out/demo
    """
    from visavis.zoo.catalogue import EMBEDDED

    compare(*EMBEDDED, data="emoji", out=out)


@app.command
def report(study: Path, *, out: Path | None = None) -> None:
    """Draw the report of a saved study again, without torch.

    Example: visavis report out/demo

    Parameters
    ----------
    study
        The --out folder of a `visavis compare`.
    out
        The HTML file; report.html in the study's folder when left out.
    """
    from visavis.study.study import load_study

    print(load_study(study).report(out or study / "report.html"))


@app.command
def train(
    recipe: Path,
    *,
    out: Path | None = None,
    overrides: Annotated[list[str] | None, Parameter(name="--set")] = None,
    threads: int | None = None,
) -> None:
    """Train a model as a recipe says; the same command goes on where a stopped run was.

    Example: visavis train recipes/emoji-clip-vit.toml --set samples=100000

    Parameters
    ----------
    recipe
        A TOML file; see recipes/.
    out
        Folder of the run; out/train/ and the recipe's name when left out.
    overrides
        A key=value of the recipe to change; may be given several times.
    threads
        Processor threads; all when left out. Equal threads give equal bits.
    """
    from visavis.progress import show_training
    from visavis.train.recipe import read_recipe

    config = read_recipe(recipe, overrides or ())
    folder = out or Path("out/train") / recipe.stem
    print(show_training(config, folder, threads, err_console))


def print_anatomies(models: Sequence[str], depth: int) -> None:
    """The steps of all networks side by side, then of each its layers, its famous numbers and what is missing."""
    from visavis.inspection.anatomy.anatomy import COUNTED
    from visavis.inspection.anatomy.anatomy import inspect as open_network
    from visavis.report.tree import layer_tree, parts_table, rules_table

    anatomies = [open_network(name) for name in models]
    out_console.print(parts_table(anatomies))
    for anatomy in anatomies:
        out_console.print(layer_tree(anatomy, depth, out_console.width))
        out_console.print(rules_table(anatomy))
        for note in anatomy.notes:
            out_console.print(Text(note))
        out_console.print()
    out_console.print(Text(COUNTED))


def print_study(study: Study, report_path: Path) -> None:
    """The results table, the verdict and where the report lies."""
    from rich.table import Table

    from visavis.report.tables import percent_with_interval

    accuracies = study.results[study.results["metric"] == "accuracy"]
    for view, shown in accuracies.groupby("view", sort=False):
        table = Table(title=f"Right answers with 95% interval, {int(shown['n'].max())} test images, view {view}")
        for heading in ("measure", "model", "accuracy in %", "tie group"):
            table.add_column(heading, justify="left" if heading in ("measure", "model") else "right")
        for measure, ranked in shown.groupby("measure", sort=False):
            for place, (_, row) in enumerate(ranked.sort_values("value", ascending=False, kind="stable").iterrows()):
                name = str(measure).replace("_", " ") if place == 0 else ""
                table.add_row(name, Text(str(row["model"])), percent_with_interval(row), f"{row['tie_group']:.0f}")
            table.add_section()
        out_console.print(table)
    out_console.print(Text(study.verdict))
    out_console.print(Text(f"\nReport: {report_path}"), soft_wrap=True)


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 the work failed, 2 the call was wrong, 130 stopped by the user."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter that the terminal lacks is no failure
    try:
        app(arguments, exit_on_error=False, print_error=False, error_console=err_console)
        sys.stdout.flush()
    except VisavisError as error:
        _fail(str(error), error.exit_code, debug)
    except CycloptsError as error:
        _fail(f"{_plain(error)} `visavis --help` shows the commands and options.", 2, debug)
    except KeyboardInterrupt:
        _fail("Stopped. What was encoded is kept; the same command goes on from there.", 130, debug)
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted; nothing can be told to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _plain(error: CycloptsError) -> str:
    return " ".join(str(error).split())


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    err_console.print("visavis: " + " ".join(message.split()), markup=False, soft_wrap=True)
    sys.exit(code)
