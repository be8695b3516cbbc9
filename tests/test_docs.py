"""What the documentation says works: examples run, commands parse, targets and linked files exist."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

import visavis
from visavis.cli import app

PACKAGE = Path(visavis.__file__).parent
ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "CONTRIBUTING.md")
WITH_EXAMPLES = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text("utf-8"))


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language; "" for those that name none."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every call of visavis in the pages, in the recipes' heads and in the commands' own help."""
    lines = [line for page in PAGES for block in blocks(page, "") for line in block.splitlines()]
    lines += [line.removeprefix("# run:").strip() for path in (ROOT / "recipes").glob("*.toml")
              for line in path.read_text("utf-8").splitlines()]  # fmt: skip
    helps = [path.read_text("utf-8") for path in sorted((PACKAGE / "cli").glob("*.py"))]
    lines += re.findall(r"Example: (visavis .*)", "\n".join(helps))
    return sorted({line for line in lines if line.startswith("visavis ")})


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstring_examples_run(path):
    name = ".".join(("visavis", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    found = doctest.testmod(import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("page", ["README.md", "docs/data.md"])
def test_python_in_the_pages_runs(page, tmp_path, monkeypatch):
    """In order, in one namespace. Where an expression's comment is a value, it is the expression's value."""
    monkeypatch.chdir(tmp_path)
    found = blocks(page, "python")
    assert found
    space: dict[str, object] = {}
    for block in found:
        lines = block.splitlines()
        for statement in ast.parse(block).body:
            source = ast.get_source_segment(block, statement)
            assert source is not None
            if not isinstance(statement, ast.Expr):
                exec(source, space)
                continue
            value = eval(source, space)
            _, _, comment = lines[statement.end_lineno - 1].partition("#")
            try:
                expected = ast.literal_eval(comment.strip())
            except (ValueError, SyntaxError):
                continue
            assert value == expected, source


def test_there_are_commands_to_check():
    assert {line.split()[1] for line in commands()} >= {"compare", "demo", "list", "report", "train"}


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_pages_parse(command):
    tokens = shlex.split(command, comments=True)[1:]
    app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_in_the_pages_exist(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = {word for block in blocks(page, "") for word in re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)}
    assert named
    assert named <= set(targets)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_whole(page):
    text = (ROOT / page).read_text("utf-8")
    assert "@@" not in text  # a figure that is still to be put in
    linked = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert not [link for link in linked if not (ROOT / link).exists()]
