"""What this machine's processor can do, as the system tells."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

# How products of bytes are summed: in tiles of 32 bits (AMX), in 32 bits (VNNI), or else in pairs of 16 bits, which
# overflow unless weights have seven bits.
ByteProducts = Literal["amx", "vnni", "plain"]


def byte_products() -> ByteProducts:
    """The widest way that the processor has; "plain" where the system does not tell."""
    abilities = _told()
    if "amx_int8" in abilities:
        return "amx"
    return "vnni" if "vnni" in abilities or "asimddp" in abilities else "plain"


def description() -> str:
    """The processor's name and abilities, where the system tells."""
    lines = {line for line in _told().splitlines() if line.startswith(("model name", "flags", "Features"))}
    return " ".join(sorted(lines)) or platform.processor()


def _told() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
