"""From arguments to an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
import warnings

from cyclopts import CycloptsError

from visavis.cli.app import app, err_console
from visavis.errors import TextsCut, VisavisError


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 the work failed, 2 the call was wrong, 130 stopped by the user.

    A command may exit by itself with 3: done, but for some images that could not be used.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter that the terminal lacks is no failure
    warnings.showwarning = _warn
    try:
        app(arguments, exit_on_error=False, print_error=False, error_console=err_console)
        sys.stdout.flush()
    except VisavisError as error:
        _fail(str(error), error.exit_code, debug)
    except CycloptsError as error:
        _fail(f"{_plain(error)} `visavis --help` shows the commands and options.", 2, debug)
    except KeyboardInterrupt:
        _fail("Stopped. What was encoded is kept; the same command goes on from there.", 130, debug)
    except BrokenPipeError:  # the reader, such as `head`, has what it wanted; nothing can be told to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _plain(error: CycloptsError) -> str:
    return " ".join(str(error).split())


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Our own warnings in words alone; others as Python shows them."""
    if not issubclass(category, TextsCut):
        err_console.print(warnings.formatwarning(message, category, filename, lineno, line), markup=False, end="")
        return
    err_console.print(f"visavis: {message}", markup=False, soft_wrap=True)


def _fail(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    err_console.print("visavis: " + " ".join(message.split()), markup=False, soft_wrap=True)
    sys.exit(code)
