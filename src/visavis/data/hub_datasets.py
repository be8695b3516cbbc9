"""Data sets by their name at Hugging Face, `hf:cifar10`, `hf:USER/NAME` or `hf:NAME:CONFIGURATION`.

The library `datasets` fetches them into its own cache, where it is installed; from there on they are read as those that
it saves. It runs no code of the data set's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visavis.data.checking import printable
from visavis.data.listing import Listing
from visavis.data.saved_datasets import Split, list_splits
from visavis.data.table import one_line
from visavis.errors import UsageError

PREFIX = "hf:"


def list_hub(source: str) -> Listing:
    """The images of a data set that `datasets.load_dataset` knows.

    Args:
        source: The prefix and a name, then a colon and a configuration where there are several. A folder that the
            library can load may stand for a name.

    Raises:
        UsageError: The library is not installed, it cannot load the data set, or that has no column of images.
    """
    name, _, configuration = source.removeprefix(PREFIX).removeprefix("//").partition(":")
    if not name:
        raise UsageError("The data set's name is missing. Write it behind the prefix, as in hf:cifar10.")
    loaded = _load(name, configuration or None)
    splits = loaded.items() if isinstance(loaded, dict) else [("", loaded)]
    opened = [
        Split(
            name=split,
            table=rows.data.table,
            features=rows.features.to_dict(),
            folder=Path(),
            stamp=str(rows._fingerprint),  # the library's own hash of the content; it has no public name
        )
        for split, rows in splits
    ]
    return list_splits(printable(name.rpartition("/")[2]), printable(source), opened)


def _load(name: str, configuration: str | None) -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        if error.name != "datasets":
            raise
        raise UsageError(
            f"{PREFIX}{name} is read by Hugging Face's library datasets, which is not installed. Install it by: "
            "pip install 'visavis[datasets]'. What its save_to_disk wrote is read without it."
        ) from error
    try:
        return datasets.load_dataset(name, configuration)
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"The data set {printable(name)!r} cannot be loaded by the library datasets: {one_line(error)}. Look for "
            "its name at https://huggingface.co/datasets; a configuration stands behind a colon: hf:NAME:CONFIGURATION."
        ) from error
