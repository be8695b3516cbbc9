"""What a pickle would import when somebody else unpickled it: its names alone are read, nothing is imported or called.

A pickle names each function and class that it needs; without those it can run nothing.
Source: Python's `pickletools`, whose table of operations splits the bytes.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_OPERATIONS = 4_000_000
HIDDEN = "a name that it computes"
_LEGACY_PICKLES = 5  # magic number, version, machine, object, keys of storages: torch 2.13, torch/serialization.py
# What weights need and what does nothing but hold them; TorchScript's own classes are named __torch__.
HARMLESS = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.(\w+Storage|Size|Tensor|device)"
    r"|torch\.(storage\.\w*Storage|serialization\._get_layout|nn\.parameter\.(Parameter|Buffer))"
    r"|torch\.(b?float\d*|half|double|u?int\d+|long|bool)|torch\.jit\._pickle\.\w+|__torch__\..*"
    r"|collections\.(OrderedDict|defaultdict)|__builtin__\.(set|dict|list|object|int|float)"
    r"|builtins\.(set|dict|list|object|int|float|complex|bytearray|slice|range)|_codecs\.encode"
    r"|numpy(\._?core)?\.(multiarray\.(_reconstruct|scalar)|ndarray|dtype)|numpy\.dtypes\.\w+|argparse\.Namespace"
)
# Modules that reach the system, or the interpreter itself.
DANGEROUS = re.compile(
    r"(os|posix|nt|sys|subprocess|pty|socket|shutil|importlib|runpy|code|codeop|ctypes|pickle|_pickle|marshal|webbrowser"
    r"|urllib|http|requests|asyncio|multiprocessing|threading|signal|tempfile|pathlib|io|builtins|__builtin__|types"
    r"|operator|functools|cProfile|profile|pdb|timeit|pip|setuptools|pydoc|site|torch\.(hub|load|jit|utils|_inductor))"
    r"(\.|$)"
)


def names_in(path: Path, container: str) -> tuple[str, ...]:
    """Every function and class that a file's pickles name, once each, in order; `HIDDEN` for what cannot be read."""
    if container in ("torch", "torchscript"):
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(("/data.pkl", "/constants.pkl"))]
            found = [name for member in members for name in _names(io.BytesIO(archive.read(member)))]
        return tuple(dict.fromkeys(found))
    if container == "torch-legacy":
        with path.open("rb") as file:
            return tuple(dict.fromkeys(name for _ in range(_LEGACY_PICKLES) for name in _names(file)))
    return ()


def _names(file: BinaryIO) -> Iterator[str]:
    """Those of one pickle. A name is two texts, pushed before it or kept from earlier and pushed again."""
    texts: list[str] = []
    kept: dict[object, str] = {}
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        if count > MAX_OPERATIONS:
            yield HIDDEN
            return
        if operation.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
            texts.append("")
        elif operation.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:]) if len(texts) > 1 and all(texts[-2:]) else HIDDEN
            texts.append("")
        elif operation.name == "MEMOIZE" or "PUT" in operation.name:
            kept[len(kept) if argument is None else argument] = texts[-1] if texts else ""
        elif "GET" in operation.name:
            texts.append(kept.get(argument, ""))
        elif operation.stack_after:
            texts.append(argument if isinstance(argument, str) else "")
        del texts[:-8]
