"""The command line: parse, call the API, print. Heavy libraries load inside the command that needs them."""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
out_console = Console(highlight=False, emoji=False)  # a name such as :cat: stays as it is
err_console = Console(stderr=True, highlight=False, emoji=False)


@app.command(name="list")
def list_command(pattern: str = "*") -> None:
    """Names of models that match a wildcard pattern; a name with a tag behind the dot has weights.

    Example: visavis list 'ViT*'
    """
    from visavis.zoo.catalogue import list_models

    for name in list_models(pattern):
        print(name)


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
