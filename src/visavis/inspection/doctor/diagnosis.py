"""What the doctor found, as plain data: what a file is, and one finding for each trap that it was tested for."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["good", "warning", "bad", "unknown"]

MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one test showed.

    Attributes:
        trap: What was tested, in a word or two.
        verdict: "good"; "warning" where it can mislead; "bad" where features would be wrong; "unknown" where neither
            the file nor anything beside it tells.
        found: What is there, in a sentence or two.
        remedy: What to do about it; empty where there is nothing to do.
    """

    trap: str
    verdict: Verdict
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a file is and which traps lie in it.

    Attributes:
        name: As it was asked for.
        path: The file that holds the tensors.
        container: "safetensors", "torch", "torch-legacy", "torchscript" or "npz"; empty where it cannot be read.
        peers: Whose names the tensors have, in words; empty where that is not known.
        family: Its corner of {ResNet, ViT} x {labels, language}; empty likewise.
        architectures: Names whose tensors have exactly these shapes.
        published: The published checkpoint that it was compared with; empty where there is none.
        params: Numbers in all tensors.
        dtypes: How many of them are of each kind.
        size: Of the file, in bytes.
        findings: In the order in which a reader wants them.
    """

    name: str
    path: Path
    container: str = ""
    peers: str = ""
    family: str = ""
    architectures: tuple[str, ...] = ()
    published: str = ""
    params: int = 0
    dtypes: Mapping[str, int]
    size: int
    findings: tuple[Finding, ...]

    @property
    def is_bad(self) -> bool:
        """Whether a finding is bad."""
        return any(finding.verdict == "bad" for finding in self.findings)

    @property
    def facts(self) -> dict[str, str]:
        """What the file is, line by line."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.dtypes.items())
        stated = {
            "file": str(self.path),
            "size": f"{self.size:,} bytes ({self.size / MEBIBYTE:,.1f} MiB)",
            "container": self.container,
            "names by": self.peers,
            "family": self.family,
            "fits": ", ".join(self.architectures),
            "compared with": self.published,
            "numbers": f"{self.params:,} ({kinds})" if self.params else "",
        }
        return {name: value for name, value in stated.items() if value}

    @property
    def summary(self) -> str:
        """How many findings there are of each verdict."""
        verdicts: tuple[Verdict, ...] = ("bad", "warning", "unknown", "good")
        counts = {verdict: sum(finding.verdict == verdict for finding in self.findings) for verdict in verdicts}
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)

    def text(self, width: int = 100) -> str:
        """The whole diagnosis as plain lines, at most `width` wide."""
        lines = [self.name, *(f"  {name}: {value}" for name, value in self.facts.items()), ""]
        for finding in self.findings:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            lines += textwrap.wrap(
                f"{finding.verdict.upper():8}{finding.trap}: {finding.found}{remedy}", width, subsequent_indent=" " * 8
            )
        return "\n".join([*lines, "", f"{self.summary}."])
