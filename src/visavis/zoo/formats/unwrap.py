"""The weights among all that a checkpoint holds: training states set aside, wrappers and prefixes taken off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from visavis.zoo.formats.contents import Leaf, ModuleTree, Tree, UnreadableError

# Under these names the field's trainers keep weights, best choice first. Moving averages come last: whoever wants them
# rather than the weights should say so, and a file that holds nothing else is read all the same.
# Sources: torchvision references ("model", "model_ema"), timm ("state_dict", "state_dict_ema"), Lightning and open_clip
# ("state_dict"), DeepSpeed ("module"), DINO ("teacher", "student"), flax ("params").
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "params",
    "weights",
    "teacher",
    "student",
    "state_dict_ema",
    "model_state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "params_ema",
    "ema",
)
# In the order in which they are tried: DataParallel, torch.compile, Lightning's attribute, big_vision's trees.
PREFIXES = ("module.", "_orig_mod.", "model.")
TREE_PREFIXES = ("params/", "opt/target/")
_TRAINING = ("optim", "sched", "scaler", "opt_state")  # parts of names of what trainers keep beside the weights
MAX_ENTRIES = 500_000
_COUNTERS = {"n_averaged"}  # torch.optim.swa_utils.AveragedModel keeps it beside "module."


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What was found: leaves by full name, what was taken off, and what was left aside."""

    leaves: dict[str, Leaf]
    unwrapped: tuple[str, ...]
    ignored: tuple[str, ...]


def unwrap(tree: Tree) -> Weights:
    """Finds the weights in a checkpoint's entries.

    Raises:
        UnreadableError: No tensor is left, or two have one name.
    """
    taken: list[str] = []
    ignored: list[str] = []
    for wrapper in _wrappers(tree):
        ignored += [".".join([*taken, name]) for name in tree if name != wrapper]
        taken.append(wrapper)
        tree = tree[wrapper]
    leaves: dict[str, Leaf] = {}
    for count, (name, leaf) in enumerate(_flatten(tree, "")):
        if count > MAX_ENTRIES:
            raise UnreadableError(f"holds more than {MAX_ENTRIES} entries, many of them the same")
        if leaf is None:
            ignored.append(name)
        elif name in leaves:
            raise UnreadableError(f"holds two tensors named {name[:100]!r}")
        else:
            leaves[name] = leaf
    leaves = _choose_tree(leaves, taken, ignored)
    leaves = _peel(leaves, taken, ignored)
    if not leaves:
        held = ", ".join(repr(name[:40]) for name in ignored[:5]) or "nothing"
        raise UnreadableError(f"holds no named tensors (found: {held})", "Give a file that holds weights.")
    return Weights(leaves=leaves, unwrapped=tuple(taken), ignored=tuple(ignored))


def _wrappers(tree: Tree) -> Iterator[str]:
    """The names to go down, one after the other."""
    while not isinstance(tree, ModuleTree):
        holding = [name for name in WRAPPERS if isinstance(tree.get(name), dict)]
        if not holding:
            return
        yield holding[0]
        tree = tree[holding[0]]


def _flatten(tree: Tree, prefix: str) -> Iterator[tuple[str, Leaf | None]]:
    """Leaves by full name; what trainers keep is one leaf without a tensor."""
    for name, part in tree.items():
        full = prefix + name
        if not isinstance(part, dict):
            yield full, part
        elif not isinstance(tree, ModuleTree) and _is_training_state(name, part):
            yield full, None
        else:
            yield from _flatten(part, full + ".")


def _is_training_state(name: str, part: Tree) -> bool:
    return "param_groups" in part or any(word in name.lower() for word in _TRAINING)


def _choose_tree(leaves: dict[str, Leaf], taken: list[str], ignored: list[str]) -> dict[str, Leaf]:
    """Of big_vision's flattened trees, the parameters without the optimizer's."""
    for prefix in TREE_PREFIXES:
        if any(name.startswith(prefix) for name in leaves):
            taken.append(prefix)
            ignored += [name for name in leaves if not name.startswith(prefix)]
            return {name.removeprefix(prefix): leaf for name, leaf in leaves.items() if name.startswith(prefix)}
    return leaves


def _peel(leaves: dict[str, Leaf], taken: list[str], ignored: list[str]) -> dict[str, Leaf]:
    """Takes off what all names begin with, again and again."""
    while True:
        names = [name for name in leaves if name not in _COUNTERS]
        prefix = next((one for one in PREFIXES if names and all(name.startswith(one) for name in names)), None)
        if prefix is None:
            return leaves
        taken.append(prefix)
        ignored += [name for name in leaves if name in _COUNTERS]
        leaves = {name.removeprefix(prefix): leaves[name] for name in names}
