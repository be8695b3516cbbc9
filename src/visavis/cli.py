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

from visavis.errors import VisavisError

if TYPE_CHECKING:
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
