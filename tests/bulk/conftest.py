"""A job without a network: an image's vector is its mean colour and its place among the numbers."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

PROGRAM = """
import sys, time
from pathlib import Path
import numpy as np
from visavis.bulk.job import Work, run_job, survey
from visavis.data.find_listing import find_listing

def encode(stack):
    time.sleep({pause})
    return stack.reshape(len(stack), -1, 3).mean(axis=1, dtype=np.float32)

work = Work(
    about={{"model": "mean", "fingerprint": "f" * 64, "embed_dim": 3, "view": "clean", "source": {{}}}},
    embed_dim=3, dtype="float32", pixels=lambda image: np.asarray(image),
    open=lambda total, begun_with: ("numpy", "numpy", encode),
)
listing = find_listing(sys.argv[1])
print(run_job(listing, survey(listing), work, Path(sys.argv[2])).words, flush=True)
"""


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,100 pictures of one size, each of another colour, and among them 20 that are none."""
    folder = tmp_path_factory.mktemp("crowd")
    for number in range(1100):
        path = folder / f"{number:04}.png"
        Image.new("RGB", (6, 6), (number % 256, number // 256, 7)).save(path)
        if number % 55 == 3:
            path.write_bytes(b"broken")
    return folder


@pytest.fixture
def program() -> str:
    """The job as a program: its arguments are the data and the output."""
    return textwrap.dedent(PROGRAM.format(pause=0.01))


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """The job as a process of its own, that can be killed."""

    def run(data: Path, out: Path, pause: float = 0.0) -> subprocess.Popen[str]:
        program = textwrap.dedent(PROGRAM.format(pause=pause))
        return subprocess.Popen(
            [sys.executable, "-c", program, data, out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return run


@pytest.fixture(scope="session")
def colours() -> Callable[[Path], list[tuple[int, ...]]]:
    """The embeddings of a file, as colours."""

    def read(path: Path) -> list[tuple[int, ...]]:
        import pyarrow.parquet as pq

        return [tuple(np.rint(row).astype(int)) for row in pq.read_table(path)["embedding"].to_pylist()]

    return read


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """The command line within this process, with a list of paths on its standard input where one is given."""
    from visavis.cli import main

    def run(*arguments: object, stdin: bytes | None = None) -> Called:
        code = 0
        with pytest.MonkeyPatch.context() as patch:
            if stdin is not None:
                patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return run


class Called(NamedTuple):
    """A command's exit code and streams."""

    code: int
    out: str
    err: str

    def failed(self, code: int) -> str:
        """The last line of stderr, which says why."""
        assert self.code == code, self.err
        last = self.err.splitlines()[-1]
        assert last.startswith("visavis: "), self.err
        assert last.endswith((".", "?")), last
        assert "Traceback" not in self.err
        return last
