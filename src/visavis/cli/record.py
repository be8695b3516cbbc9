"""The published record: atlas."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from visavis.cli.app import app, out_console

atlas = App(name="atlas", help="The published record: decisions and results that others recorded.")
app.command(atlas)


@atlas.default
def draw(*, study: list[Path] | None = None, out: Path = Path("out/atlas")) -> None:
    """Draw the published record: accuracy against cost, effective robustness, and a ranking of CLIPs with its ties.

    Example: visavis atlas --out out/atlas

    Parameters
    ----------
    study
        The --out of a `visavis compare` on ImageNet's validation images, whose models join the record; may be given
        several times. The page says why where a study has no place in it.
    out
        Folder for atlas.html.
    """
    from visavis.atlas.page import write_atlas

    print(write_atlas(out, study or ()))


@atlas.command
def decisions(*files: Path, out: Path, seed: int = 0) -> None:
    """Accuracy, shape bias and error consistency of decisions recorded elsewhere.

    Example: visavis atlas decisions resnet50.csv clip.csv people/*.csv --out out/decisions

    Parameters
    ----------
    files
        CSV files in model-vs-human's columns: subj (the observer), object_response (its answer), category (the truth),
        imagename; SHAPE1-TEXTURE2.png names both classes of a cue-conflict image. The embedded decisions of a
        ResNet-50, a CLIP and four people when left out.
    out
        Folder for observers.csv, consistency.csv and decisions.html.
    seed
        Of the bootstrap.
    """
    from visavis.atlas.decisions import RECORDED
    from visavis.atlas.write import analyse_decisions
    from visavis.report.decisions import observers_table

    out_console.print(observers_table(analyse_decisions(files or (RECORDED,), out, seed)))
    print(out / "decisions.html")
