"""docs/bulk.md is true: all of it is run, from top to bottom in one folder, and prints what stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "bulk.md"
SPEED = re.compile(r"\([\d.]+ images/s\)")


def comparable(text: str) -> list[str]:
    """Lines without speeds, blanks at their ends, and empty ones."""
    lines = (SPEED.sub("(speed)", line).rstrip() for line in text.splitlines())
    return [line for line in lines if line]


@pytest.mark.timeout(900)
def test_the_page_does_what_it_says(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 10
    for language, block in blocks:
        if language == "python":
            exec(block, space)
            expected = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
            assert comparable(capsys.readouterr().out) == expected, block
        else:
            first, *expected = block.splitlines()
            assert first.startswith("$ visavis ")
            arguments = shlex.split(first)[2:]
            done = alone(arguments) if "--ray" in arguments else command(*arguments)
            assert done.code == (3 if "skipped" in block else 0), done.err
            assert comparable(done.out) == comparable("\n".join(expected)), first


def alone(arguments: list[str]) -> Done:
    """A process of its own: Ray leaves threads and sockets behind."""
    program = [Path(sys.executable).parent / "visavis", *arguments]
    done = subprocess.run(program, capture_output=True, encoding="utf-8", check=False)
    return Done(done.returncode, done.stdout, done.stderr)


class Done(NamedTuple):
    code: int
    out: str
    err: str
