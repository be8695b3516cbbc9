"""The command as a process of its own, without the seconds that every new process takes to import its libraries.

A nursery is a process that has imported what the command needs and done nothing else. For each call it forks a child,
which runs the command from its arguments to its exit code, with its own folder, streams and memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = """
import json, os, sys
import pandas, scipy.stats, torch
import visavis.bulk.classify, visavis.bulk.search, visavis.cli, visavis.inspection.explain, visavis.study.compare

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(asked["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(os.open(asked["streams"][number - 1], os.O_WRONLY), number)
        sys.stdin = open(0)
        sys.argv = ["visavis", *asked["arguments"]]
        visavis.cli.main()
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """Starts with the first call; closed with its session."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.process: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], folder: Path) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `visavis ARGUMENTS` in a folder."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], env=self.environment, stdin=-1, stdout=-1, text=True, bufsize=1
            )
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            asked: dict[str, Any] = {"arguments": arguments, "folder": str(folder), "streams": [out.name, err.name]}
            assert self.process.stdin
            assert self.process.stdout
            self.process.stdin.write(f"{json.dumps(asked)}\n")
            code = int(self.process.stdout.readline())
            return code, Path(out.name).read_text("utf-8"), Path(err.name).read_text("utf-8")

    def close(self) -> None:
        if self.process is not None:
            self.process.communicate(timeout=10)
