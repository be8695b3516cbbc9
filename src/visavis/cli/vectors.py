"""Images to vectors, and what is done with them: embed, search, classify, cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from visavis.cli.app import app, err_console, out_console
from visavis.errors import UsageError

Decode = Literal["exact", "fast"]  # as in engine/pictures.py, which needs Pillow


@app.command
def embed(
    model: str,
    data: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    out: Path,
    view: str = "clean",
    decode: Decode = "exact",
    engine: str = "auto",
    float16: bool = False,
    ray: bool = False,
) -> None:
    """Write the vectors of all images into a Parquet file; the same command goes on where a stopped run was.

    Exit code 3 says that the file is written and some images could not be embedded.

    Examples:
        visavis embed ViT-B-32.openai photos/ --out photos.parquet
        visavis embed ViT-B-32.openai photos/ --engine openvino-int8 --decode fast --out photos.parquet

    Parameters
    ----------
    model
        A name from `visavis list`, a file, or another library's network.
    data
        A folder, a CSV or Parquet table, WebDataset tars (shard-{000..127}.tar), a .zip of a folder, COCO's .json, a
        folder of Hugging Face's save_to_disk, hf:NAME, an embedded set, or - for a list of paths on standard input.
    out
        The .parquet file: id, name, label, embedding. What could not be read is listed in .skipped.csv beside it.
    view
        How the images are shown: clean, grayscale.
    decode
        fast reads JPEGs far larger than the network's input at a reduced scale: nearly the same vectors, sooner.
    engine
        What computes: torch, onnx or openvino in float32, auto for the quickest of them here; torch-bf16,
        openvino-bf16, onnx-int8 or openvino-int8, whose vectors are near and sooner there. How near is said at the end.
    float16
        Half the size; the numbers keep three digits.
    ray
        The machines of a Ray cluster do it: the one that RAY_ADDRESS names, else one on this machine.
    """
    from visavis.bulk.embed import embed_data
    from visavis.engine.load import load
    from visavis.progress import show_rate

    with show_rate(err_console) as progress:
        dtype = "float16" if float16 else "float32"
        encoder = load(model, engine=engine, decode=decode)
        summary = embed_data(encoder, data, out, view=view, dtype=dtype, ray=ray, on_progress=progress)
    print(summary.words)
    for identity, said in encoder.engines_used.items():
        err_console.print(Text(f"Computed by {identity}: {said}."))
    if summary.n_skipped:
        raise SystemExit(3)


@app.command
def search(
    model: str,
    data: str,
    text: str | None = None,
    *,
    image: Path | None = None,
    decode: Decode = "exact",
    top: int = 20,
    out: Path | None = None,
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
    decode
        As for `visavis embed`, and as it was there.
    top
        How many.
    out
        A contact sheet (.html), .csv or .json; a table in the terminal when left out.
    """
    import pandas as pd

    from visavis.bulk.search import OUTPUTS, write_found
    from visavis.bulk.search import search as search_images
    from visavis.bulk.tables import check_out
    from visavis.engine.load import load
    from visavis.progress import show_rate
    from visavis.report.terminal import found_table

    check_out(out, OUTPUTS)
    with show_rate(err_console) as progress:
        found = search_images(load(model, decode=decode), data, text, image, top, progress)
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
        Prompt with {} for the label, a set (openai-80, openai-7), or a text file with a prompt a line; may be given
        several times.
    other
        The answer is "other" where the likeliest label has less than this probability. Probabilities are shares among
        the labels that were given, so a picture of something else may still have a high one.
    top
        How many labels of each image are shown.
    out
        .csv or .json; a table in the terminal when left out.
    """
    from visavis.bulk.classify import OUTPUTS, read_labels
    from visavis.bulk.classify import classify as classify_images
    from visavis.bulk.tables import check_out, write_text
    from visavis.engine.load import load
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
