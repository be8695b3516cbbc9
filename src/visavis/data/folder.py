"""A folder of images: the first folder below the root is the class, whatever lies deeper.

root/class/picture.jpg             no parts; root/class/any/depth.png too
root/train/class/picture.jpg       and root/test/..., or val, valid, validation: the parts are the folders'
root/picture.jpg                   no labels

Hidden files and folders (a leading dot) are passed over. Links to folders are followed, except back into a folder that
holds them. The order is that of the names, not the file system's. Labels are in Unicode's composed form (NFC), so that
names typed on a Mac and elsewhere are equal.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath

from visavis.data.checking import Candidate, Progress, check_samples, printable
from visavis.data.dataset import Dataset, Skipped
from visavis.data.splits import PART_NAMES, parts_by_name
from visavis.errors import UsageError

IMAGE_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "avif", "heic", "heif"),
    )
)  # HEIC cannot be read, but must not go missing without a word


def read_folder(path: Path, progress: Progress | None = None) -> Dataset:
    """The images below `path`, checked.

    Args:
        path: The folder.
        progress: Called with the images checked so far and their total.

    Raises:
        UsageError: The folder cannot be opened or holds no file named like an image.
    """
    found = list(walk(path))
    skipped = [place for place in found if isinstance(place, Skipped)]
    places = [place for place in found if isinstance(place, str)]
    images = [place for place in places if is_image(place)]
    if not images:
        raise UsageError(nothing_found(path, places))
    candidates = _candidates(path, images, skipped)
    samples, unreadable = check_samples(candidates, progress)
    name = printable(path.resolve().name or "images")
    return Dataset(name=name, samples=samples, skipped=(*skipped, *unreadable))


def walk(root: Path) -> Iterator[str | Skipped]:
    """Every plain file that is not hidden, relative to the root in POSIX form, in the order of these texts.

    Folders that refuse come as `Skipped`. No more is held than the names of one folder at each depth.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]  # the next one last; folders end in a slash
    while waiting:
        place, above = waiting.pop()
        if place and not place.endswith("/"):
            yield place
            continue
        folder = root / place
        try:
            status = folder.stat()
            with os.scandir(folder) as found:
                shown = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            if not place:
                raise UsageError(f"The folder {printable(str(root))!r} cannot be opened: {error.strerror}.") from error
            yield Skipped(name=printable(place[:-1]), reason=f"folder cannot be opened: {error.strerror}")
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in above:  # a link back into a folder that holds it
            continue
        # With its slash a folder's name stands where the paths below it stand among the files beside it.
        names = sorted((f"{entry.name}/" if _is_folder(entry) else entry.name for entry in shown), reverse=True)
        waiting += [(f"{place}{name}", (*above, identity)) for name in names]


def is_image(place: str) -> bool:
    """Whether a file is named like an image."""
    return PurePosixPath(place).suffix.lower() in IMAGE_SUFFIXES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; the check of the file says so
        return False


def _candidates(root: Path, images: Sequence[str], skipped: list[Skipped]) -> list[Candidate]:
    parts = part_folders({place.split("/")[0] for place in images if "/" in place})
    known = {place: label_and_part(place, parts) for place in images}
    labelled = any(label is not None for label, _ in known.values())
    candidates = []
    for place, (label, part) in known.items():
        if labelled and label is None:
            reason = "beside the class folders, so without a label"
            skipped.append(Skipped(name=printable(place), reason=reason))
        else:
            candidates.append(Candidate(place=place, path=root / place, label=label, part=part))
    return candidates


def part_folders(tops: Set[str]) -> dict[str, str]:
    """What root/train, root/test, ... mean, if the root has no other folder with images among `tops`; else {}."""
    return parts_by_name(tops) if all(top.casefold() in PART_NAMES for top in tops) else {}


def label_and_part(place: str, parts: Mapping[str, str]) -> tuple[str | None, str]:
    folders = place.split("/")[:-1]
    part = parts.get(folders[0], "") if folders else ""
    classes = folders[1:] if part else folders
    return (unicodedata.normalize("NFC", printable(classes[0])) if classes else None), part


def nothing_found(path: Path, places: Sequence[str], what: str = "folder") -> str:
    where = printable(str(path))
    known = "jpg, png, webp, gif, bmp, tif, ppm or avif"
    if not places:
        return (
            f"The {what} {where!r} holds no files. Give a folder with one folder of images for each class, named after "
            "the class, or a CSV or Parquet file with the columns path and label."
        )
    counts = Counter(PurePosixPath(place).suffix.lower() or "no suffix" for place in places)
    found = ", ".join(f"{count} with {printable(suffix)}" for suffix, count in counts.most_common(5))
    tables = [place for place in places if PurePosixPath(place).suffix.lower() in (".csv", ".tsv", ".parquet")]
    advice = ""
    if tables and what == "folder":
        advice = f" To read the table, give its own path: {printable(str(path / tables[0]))!r}."
    return f"The {what} {where!r} holds no image ({known}). Found {len(places)} other files: {found}.{advice}"
