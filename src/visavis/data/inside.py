"""Sources whose images stand inside other files, or are named there: archives, annotations, data sets.

The one idea: each is listed once, by its reader, for comparisons and for embedding alike. A comparison decodes what was
listed; later both read every image again where it stands, so that none is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from visavis.data.coco import list_coco
from visavis.data.folder import is_image, walk
from visavis.data.hub_datasets import PREFIX, list_hub
from visavis.data.listing import Listing
from visavis.data.saved_datasets import is_saved, list_saved
from visavis.data.tars import find_tars, list_tars, tars_in
from visavis.data.zips import list_zip

Claims: TypeAlias = Callable[[str], bool]  # whether a source is the reader's
Lists: TypeAlias = Callable[[str], Listing]


def list_inside(source: str) -> Listing | None:
    """The images inside a source; None where it is none of these kinds.

    Raises:
        UsageError: It is, and cannot be read.
    """
    return next((lists(source) for claims, lists in _READERS if claims(source)), None)


def _is_tars(source: str) -> bool:
    """A tar, a pattern of such, or a folder with tars and no images."""
    path = Path(source)
    if path.suffix.lower() == ".tar":
        return True
    try:
        if not path.is_dir() or not tars_in(path):
            return False
    except OSError:  # the reader of folders says why
        return False
    return not any(isinstance(place, str) and is_image(place) for place in walk(path))


def _ends_in(suffix: str) -> Claims:
    return lambda source: Path(source).suffix.lower() == suffix and Path(source).is_file()


_READERS: tuple[tuple[Claims, Lists], ...] = (
    (lambda source: source.startswith(PREFIX), list_hub),
    (lambda source: is_saved(Path(source)), lambda source: list_saved(Path(source))),
    (_is_tars, lambda source: list_tars(find_tars(source))),
    (_ends_in(".zip"), lambda source: list_zip(Path(source))),
    (_ends_in(".json"), lambda source: list_coco(Path(source))),
)
