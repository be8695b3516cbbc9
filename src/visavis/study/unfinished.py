"""What a study leaves in its folder while it is being made, so that one that was stopped goes on where it was.

Vectors lie in the cache. Beside them two things are worth keeping: with what arguments the study was begun, and the
answers of measures that took long. An answer's name is a hash of all that it follows from, so a changed file, prompt or
version finds none and is computed anew. Both are removed once the study is saved.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visavis.errors import UsageError
from visavis.study.evidence import Evidence, Scores
from visavis.study.measures import MEASURES
from visavis.study.protocol import describe_packages
from visavis.study.study import PROTOCOL
from visavis.zoo.files import replacing

FOLDER = ".unfinished"
BEGUN = "arguments.json"
WORTH_KEEPING = 5.0  # seconds; what is quicker is computed again


@dataclass(frozen=True)
class Unfinished:
    """A study's folder while it is being made; with None nothing is kept."""

    out: Path | None

    def begin(self, arguments: dict[str, Any]) -> None:
        """Notes with what the study was begun, where no finished one says it already."""
        if self.out is None or (self.out / PROTOCOL).is_file():
            return
        with contextlib.suppress(OSError):  # then `--resume` alone finds nothing, and the whole command still goes on
            folder = self.out / FOLDER
            folder.mkdir(exist_ok=True)
            with replacing(folder / BEGUN) as temporary:
                temporary.write_text(json.dumps(arguments, ensure_ascii=True), "utf-8")

    def take(self, measure: str, evidence: Evidence) -> Scores:
        """A measure's answer, kept or computed. Raises NotMeasurable."""
        if self.out is None:
            return MEASURES[measure](evidence)
        file = self.out / FOLDER / f"{_key(measure, evidence)}.npz"
        kept = _read(file)
        if kept is not None:
            return kept
        started = time.monotonic()
        scores = MEASURES[measure](evidence)
        if time.monotonic() - started >= WORTH_KEEPING:
            with contextlib.suppress(OSError):  # a full disk costs the next try some time, no more
                file.parent.mkdir(exist_ok=True)
                with replacing(file) as temporary, temporary.open("wb") as stream:
                    np.savez(stream, probabilities=scores.probabilities, chosen=json.dumps(scores.chosen))
        return scores

    def end(self) -> None:
        """Removes what only an unfinished study needs."""
        if self.out is not None:
            shutil.rmtree(self.out / FOLDER, ignore_errors=True)


def begun_with(out: Path) -> dict[str, Any]:
    """The arguments of the study in a folder, finished or not. Raises UsageError where there is none."""
    readers: dict[Path, Callable[[Any], Any]] = {
        out / FOLDER / BEGUN: lambda said: said,
        out / PROTOCOL: lambda said: said["arguments"],
    }
    for file, arguments_in in readers.items():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return dict(arguments_in(json.loads(file.read_text("utf-8"))))
    raise UsageError(
        f"{str(out)!r} holds no study that was begun. Give the --out of a `visavis compare` that was stopped, or the "
        "models and --data of a new one."
    )


def _read(file: Path) -> Scores | None:
    """A kept answer, or None where there is none or it is not whole."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            return Scores(probabilities=kept["probabilities"], chosen=json.loads(str(kept["chosen"])))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _key(measure: str, evidence: Evidence) -> str:
    """A hash of all that an answer follows from."""
    said = {
        "measure": measure, "model": evidence.encoder.fingerprint, "classes": evidence.classes,
        "names": evidence.prompt_names, "templates": evidence.templates, "labels": evidence.train_labels,
        "seed": evidence.seed, "shapes": (evidence.train_features.shape, evidence.test_features.shape),
        "packages": describe_packages(),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(evidence.train_features.tobytes())
    digest.update(evidence.test_features.tobytes())
    return digest.hexdigest()
