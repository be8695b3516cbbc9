"""Files of weights: list, fetch, convert, export, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.text import Text

from visavis.cli.app import app, err_console, out_console
from visavis.errors import UsageError, VisavisError, did_you_mean

Target = Literal["openai", "open_clip", "hf", "timm", "torchvision", "visavis"]  # as in zoo/convert.py


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
    if not names:
        hint = did_you_mean(pattern.strip("*?"), list_models())
        raise UsageError(f"No model's name matches {pattern!r}. {hint} `visavis list` shows all.")
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
    model: str,
    *,
    out: Path,
    format: Literal["onnx", "torchscript", "openvino"] = "onnx",
    int8: bool = False,
    calibrate: str | None = None,
) -> None:
    """Write a model's image tower for other programs; it is compared with PyTorch as it is written.

    Example: visavis export RN50.openai --out rn50.onnx
    Example: visavis export RN50.openai --format openvino --out rn50.xml --int8 --calibrate photos/

    Parameters
    ----------
    model
        A name, a file, or another library's network.
    out
        The new file: .onnx, .pt for torchscript, .xml for openvino.
    format
        onnx, torchscript or openvino.
    int8
        Write the matrices in int8, which is quicker and not exact; how near the vectors stay is measured and said.
    calibrate
        Images for int8, as for --data of `visavis compare`: half of 256 set its scales, the others are compared.
    """
    from visavis.data.read import read_dataset
    from visavis.engine.export import export as export_encoder
    from visavis.engine.export import pick_images
    from visavis.engine.load import load

    if int8 != (calibrate is not None):
        raise UsageError(
            "--int8 and --calibrate belong together: int8 takes its scales from images. Give both or none."
        )
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
