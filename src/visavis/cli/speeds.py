"""How fast it all is: bench."""

from __future__ import annotations

from pathlib import Path

from visavis.cli.app import app, by_comma, err_console, out_console


@app.command
def bench(
    *models: str, against: str = "", work: str = "", batch_size: int = 32, rounds: int = 5, out: Path | None = None
) -> None:
    """Time networks with every engine that is installed, in turn with the same networks in other libraries.

    Example: visavis bench ViT-B-32 RN50 resnet50 --against open_clip,torchvision

    Parameters
    ----------
    models
        Architectures from `visavis list`; ViT-B-32, RN50 and resnet50 when left out.
    against
        Libraries, with commas between them: open_clip, torchvision, timm, transformers, onnxruntime.
    work
        Kinds of work, likewise: images, one-image, texts, classifier, captions, photographs, small-jpegs; all when
        left out.
    batch_size
        Images in a batch.
    rounds
        How often everybody runs.
    out
        A folder for bench.json and bench.svg.
    """
    from visavis.bench.bench import run_bench
    from visavis.progress import show_progress
    from visavis.report.speeds import speeds_plot, speeds_tables
    from visavis.zoo.files import replacing

    with show_progress(err_console) as progress:
        found = run_bench(
            models or ("ViT-B-32", "RN50", "resnet50"), by_comma(against), by_comma(work), batch_size, rounds, progress
        )
    out_console.print(speeds_tables(found))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("bench.json", found.to_json()), ("bench.svg", speeds_plot(found))):
            with replacing(out / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
            print(out / name)
