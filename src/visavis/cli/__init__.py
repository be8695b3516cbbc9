"""The command line: parse, call the API, print. Heavy libraries load inside the command that needs them."""

from visavis.cli import networks, record, speeds, studies, vectors, weights  # noqa: F401  # each adds its commands to the app
from visavis.cli.app import app
from visavis.cli.run import main

__all__ = ["app", "main"]
