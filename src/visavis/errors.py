"""The errors a user sees: one paragraph that says what was wrong, what was found and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VisavisError(Exception):
    """The work failed. The command line prints the message alone and exits with `exit_code`."""

    exit_code = 1


class UsageError(VisavisError, ValueError):
    """The call was wrong: a name, an option, a path or a value that cannot be used."""

    exit_code = 2


class TextsCut(UserWarning):
    """Some texts were longer than a text tower reads, and only their beginnings count."""


def did_you_mean(name: str, choices: Iterable[str], limit: int = 3) -> str:
    """A sentence with the choices nearest to `name`, or all of them when few, or nothing.

    >>> did_you_mean("lerning_rate", ["learning_rate", "warmup_steps"])
    'Did you mean learning_rate?'
    """
    choices = list(choices)
    by_folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(by_folded[match] for match in near)}?"
    if 0 < len(choices) <= 12:
        return f"Choose from {', '.join(choices)}."
    return ""
