"""Prompts for class names: written out, from a file, or a published set by its name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from visavis.errors import UsageError, did_you_mean

PROMPT_SETS = ("openai-80", "openai-7")  # for ImageNet: all of Radford et al. 2021, and the seven that do most


def read_prompts(given: Sequence[str]) -> tuple[str, ...]:
    """Templates with {} for a class name.

    Args:
        given: Each a template, a name of `PROMPT_SETS`, or a text file with a template a line; lines that begin with #
            are notes.

    Returns:
        The templates, each once, in their order.

    Raises:
        UsageError: What is none of these, or a file without templates.
    """
    templates: list[str] = []
    for item in given:
        if "{}" in item:
            templates.append(item)
        elif item in PROMPT_SETS:
            text = (resources.files("visavis.data") / "prompt_sets" / f"{item}.txt").read_text(encoding="utf-8")
            templates += _lines(text, item)
        elif Path(item).is_file():
            templates += _read_file(item)
        else:
            near = did_you_mean(item, PROMPT_SETS)
            raise UsageError(
                f"The prompt template {item!r} has no {{}} where the class name goes, and is neither a file nor a set "
                f"of prompts. {near}"
            )
    return tuple(dict.fromkeys(templates))


def _read_file(name: str) -> list[str]:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read prompts from {name!r}: {error}. It must be a text file in UTF-8.") from error
    return _lines(text, name)


def _lines(text: str, name: str) -> list[str]:
    templates = []
    for number, line in enumerate(text.splitlines(), start=1):
        template = line.strip()
        if not template or template.startswith("#"):
            continue
        if "{}" not in template:
            raise UsageError(f"Line {number} of {name!r} has no {{}} where the class name goes: {template[:80]!r}.")
        templates.append(template)
    if not templates:
        raise UsageError(f"{name!r} holds no prompt. Write one a line, such as: a photo of a {{}}.")
    return templates
