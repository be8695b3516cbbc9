"""Encoders face to face: compare, demo, report; and train, which makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.text import Text

from visavis.cli.app import app, by_comma, err_console, out_console
from visavis.errors import UsageError

if TYPE_CHECKING:
    from visavis.study.study import Study


@app.command
def compare(  # noqa: PLR0913  # each is an option
    *models: str,
    data: str | None = None,
    out: Path = Path("out/study"),
    test_fraction: float = 0.5,
    template: list[str] | None = None,
    view: list[str] | None = None,
    classes: str | None = None,
    classes_file: Path | None = None,
    measures: str = "",
    others: str | None = None,
    exclude: str = "",
    resolution: int | None = None,
    crop: Literal["own", "center", "squash"] = "own",
    equal: Literal["macs", "ms"] | None = None,
    margin: float = 0.02,
    seed: int = 0,
    quick: bool = False,
    thorough: bool = False,
    resume: bool = False,
) -> None:
    """Compare encoders on your images and write a report with a verdict.

    Example: visavis compare resnet-mini.emoji RN-mini.emoji ViT-mini-8.emoji --data photos/ --out out/photos

    Parameters
    ----------
    models
        Names from `visavis list`, or files that `visavis train` wrote.
    data
        A folder with one folder a class, or of images alone, a CSV or Parquet table with the columns path and label
        (caption, part and group are optional), WebDataset tars (shard-{000..127}.tar), a .zip of a folder, COCO's
        .json, a folder of Hugging Face's save_to_disk, hf:NAME, IDX files as MNIST's, a NumPy .npz with images and
        labels, or an embedded data set: emoji, emoji-outline, emoji-all, emoji-all-outline, emoji-new.
    out
        Folder for report.html, results.csv, pairs.csv, effects.csv, predictions.parquet and study.json.
    test_fraction
        Share of each class that is tested, where the data do not say so themselves; the rest trains k-NN and probe.
    template
        Prompt with {} for the class name, for zero-shot, a set (openai-80, openai-7), or a text file with a prompt a
        line; may be given several times.
    view
        How the images are shown, such as clean, fog:3 (ImageNet-C's), patch_shuffle:4, low_pass:8, rotate:15; see
        docs/views.md. Names of several: corruptions, corruptions:3, noise, blur, weather, digital, levels, invariance.
        Every view is encoded anew. May be given several times.
    classes
        For images without labels: names to choose from, with commas between; shows on which images models differ.
    classes_file
        The same from a text file with one name a line.
    measures
        What to take in place of all, with commas between: classifier, zero_shot, knn, linear_probe, retrieval,
        few_shot, prompts, agreement, ranking, ensemble, calibration, selective, out_of_distribution, quality,
        robustness, levels, invariance, shift, maps, why, recommend. Taken only where named: embedding_probe, a probe
        behind a CLIP's projection; fine_tuning, lora and wise_ft, which train the networks and take their time;
        sensitivity, whether the verdict survives other sizes, crops and prompts. Images with captions alone have
        image_to_text and chapters, those with several classes any_label, any_label_probe and multi_label (mAP), those
        of which nothing is known found_again, neighbours and given_classes.
    others
        Images of another kind, a folder or a table: how well do the models notice that they are not of your data?
    exclude
        Doubtful test images to leave out of everything, with commas between: duplicates, label_errors, outliers.
    resolution
        Side in pixels at which all models see the images, such as 224, in place of each model's own.
    crop
        Which part of an image all models see: its centre after the shorter side was brought to the resolution (center),
        or all of it in a square (squash), in place of each model's own.
    equal
        The same budget for all: each model sees images of the largest size at which it costs no more
        multiply-accumulates (macs) or time (ms) than the cheapest model at its own size.
    margin
        A difference in accuracy that makes none: models shown to be closer are called equivalent; 0.02 is 2 points.
    seed
        Of the split, the folds and the bootstrap.
    quick
        A first look in about a minute: 150 images of each part, spread over the classes, without linear probe, and few
        chapters. For 150 images the intervals are about 16 points wide.
    thorough
        All measures and chapters, and eight views: clean, grayscale, silhouette, patch_shuffle:4, low_pass:8,
        high_pass:8, occlusion:50, rotate:15. Text in the pictures is looked for where visavis[text] is installed.
        Takes about five times as long.
    resume
        Go on with the study that was begun in --out, with its models, data and options. (The same command goes on too.)
    """
    from visavis.bulk.classify import read_labels
    from visavis.study.unfinished import begun_with

    if resume and not models and data is None:
        arguments = begun_with(out)
    elif data is None:
        raise UsageError("Give --data FOLDER, or --resume and the --out of a study that was begun.")
    elif quick and thorough:
        raise UsageError("--quick and --thorough exclude each other. Give one of them, or none.")
    else:
        arguments = {
            "models": models, "data": data, "views": view or (), "templates": template,
            "classes": read_labels(classes, classes_file) or (), "measures": by_comma(measures),
            "others": others, "exclude": by_comma(exclude), "test_fraction": test_fraction, "resolution": resolution,
            "crop": crop, "equal": equal, "margin": margin, "seed": seed,
            "effort": "quick" if quick else "thorough" if thorough else "usual",
        }  # fmt: skip
    _compare(arguments, out)


def _compare(arguments: dict[str, Any], out: Path) -> None:
    from visavis.progress import show_progress
    from visavis.study.compare import compare as compare_models

    with show_progress(err_console) as progress:
        study = compare_models(**arguments, out=out, progress=progress, tell=_tell)
    print_study(study, out / "report.html")


def _tell(sentence: str) -> None:
    err_console.print(Text(sentence), soft_wrap=True)


@app.command
def demo(out: Path = Path("out/demo")) -> None:
    """Compare the four embedded models on the embedded emoji, without network.

    Example: visavis demo --out out/demo
    """
    from visavis.zoo.catalogue import EMBEDDED

    compare(*EMBEDDED, data="emoji", out=out)


@app.command
def report(*studies: Path, out: Path | None = None) -> None:
    """Draw the report of a saved study again, without torch; or set two studies side by side.

    Example: visavis report out/before out/after --out out/before-and-after.html

    Parameters
    ----------
    studies
        One --out folder of a `visavis compare`, or two.
    out
        The HTML file. When left out, report.html in the study's folder, or out/side-by-side.html for two.
    """
    from visavis.study.study import load_study

    if len(studies) == 1:
        print(load_study(studies[0]).report(out or studies[0] / "report.html"))
    elif len(studies) == 2:
        from visavis.study.side_by_side import write_side_by_side

        print(write_side_by_side(studies, out or Path("out/side-by-side.html")))
    else:
        raise UsageError(f"Name the folder of one study, or of two to set side by side; {len(studies)} were given.")


def print_study(study: Study, report_path: Path) -> None:
    """The results tables, of many views the first one's, the verdict and where the report lies."""
    from rich.table import Table

    from visavis.report.page import FEW_VIEWS
    from visavis.report.tables import percent_with_interval

    accuracies = study.results[study.results["metric"] == "accuracy"]
    views = list(dict.fromkeys(accuracies["view"]))
    listed = views if len(views) <= FEW_VIEWS else views[:1]
    for view, shown in accuracies[accuracies["view"].isin(listed)].groupby("view", sort=False):
        table = Table(title=f"Right answers with 95% interval, {int(shown['n'].max())} test images, view {view}")
        for heading in ("measure", "model", "accuracy in %", "tie group"):
            table.add_column(heading, justify="left" if heading in ("measure", "model") else "right")
        for measure, ranked in shown.groupby("measure", sort=False):
            for place, (_, row) in enumerate(ranked.sort_values("value", ascending=False, kind="stable").iterrows()):
                name = str(measure).replace("_", " ") if place == 0 else ""
                table.add_row(name, Text(str(row["model"])), percent_with_interval(row), f"{row['tie_group']:.0f}")
            table.add_section()
        out_console.print(table)
    if len(listed) < len(views):
        out_console.print(Text(f"{len(views) - 1} more views are in results.csv beside the report.\n"))
    out_console.print(Text(study.verdict))
    out_console.print(Text(f"\nReport: {report_path}"), soft_wrap=True)


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
