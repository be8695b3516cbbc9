"""Any file or folder of weights as named tensors. Nothing in it is executed, whatever it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from visavis.errors import UsageError, VisavisError
from visavis.zoo.formats.contents import Contents, Tree, UnreadableError
from visavis.zoo.formats.folders import contained, find_weights, read_config, read_index, refuse_shard
from visavis.zoo.formats.identify import HEAD_BYTES, identify
from visavis.zoo.formats.legacy_files import read_legacy_file
from visavis.zoo.formats.npz_files import is_npz, read_npz_file
from visavis.zoo.formats.safetensors_files import read_safetensors_file
from visavis.zoo.formats.torch_files import read_torch_archive
from visavis.zoo.formats.unwrap import unwrap


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """What a file holds, before anyone says what it means.

    Attributes:
        path: The file that holds the tensors; of a network in parts, their index.
        container: "safetensors", "torch", "torch-legacy", "torchscript" or "npz".
        tensors: By name with wrapping removed; as stored, on the CPU. They may be views of the file's mapping: replace
            the file rather than write into it while they live.
        metadata: Text that a safetensors file carries.
        config: The JSON that describes the weights, where there is one beside them.
        unwrapped: What was taken off the names, outermost first, such as ("state_dict", "module.").
        ignored: Entries that are no weights: an optimizer's state, counters, other copies of the weights.
        hints: What the container itself tells, such as {"activation": "quickgelu"} from TorchScript's source.
    """

    path: Path
    container: str
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    config: dict[str, Any] | None
    unwrapped: tuple[str, ...]
    ignored: tuple[str, ...]
    hints: dict[str, str]


def read_tensor_file(path: Path) -> TensorFile:
    """Reads a file of weights in any format, or a folder as Hugging Face, open_clip and timm publish.

    Memory and time are bounded by the size of the file.

    Raises:
        UsageError: There is no such file, or the folder holds no weights.
        VisavisError: The file is damaged, hostile, or something else than weights.
    """
    try:
        if path.is_dir():
            return _read(contained(path, find_weights(path).name))
        if not path.is_file():
            what = "neither a file nor a folder" if path.exists() else "no file or folder that exists"
            raise UsageError(f"{str(path)!r} is {what}. Give the path of a file of weights.")
        refuse_shard(path)
        return _read(path)
    except UnreadableError as error:
        raise VisavisError(f"{str(path)!r} {_printable(error.reason)}. {error.remedy}") from error
    except OSError as error:
        raise VisavisError(f"{str(path)!r} cannot be read: {error}. Check its permissions and its disk.") from error


def _printable(text: str) -> str:
    """What a file says of itself may hold anything, terminals' commands included."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _read(path: Path) -> TensorFile:
    contents = _read_parts(path) if path.name.endswith(".index.json") else _read_contents(path)
    weights = unwrap(contents.tree)
    return TensorFile(
        path=path,
        container=contents.container,
        tensors={name: leaf() for name, leaf in weights.leaves.items()},
        metadata=contents.metadata,
        config=read_config(path),
        unwrapped=weights.unwrapped,
        ignored=weights.ignored,
        hints=contents.hints,
    )


def _read_contents(path: Path) -> Contents:
    with path.open("rb") as file:
        kind = identify(file.read(HEAD_BYTES))
    if kind == "safetensors":
        return read_safetensors_file(path)
    if kind == "pickle":
        return read_legacy_file(path)
    return read_npz_file(path) if is_npz(path) else read_torch_archive(path)


def _read_parts(path: Path) -> Contents:
    """A network in several files, as its index lists them."""
    tree: Tree = {}
    container = ""
    for part, names in read_index(path).items():
        contents = _read_contents(part)
        container = contents.container
        missing = [name for name in names if name not in contents.tree]
        if missing:
            raise UnreadableError(f"says that {part.name!r} holds {missing[0]!r}, but it does not")
        tree |= {name: contents.tree[name] for name in names}
    return Contents(container=container, tree=tree)
