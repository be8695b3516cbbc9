"""The command line's frame: the app that commands join, and where they print."""

from __future__ import annotations

from cyclopts import App, Parameter
from rich.console import Console

app = App(
    name="visavis",
    help="Image encoders face to face: supervised ResNets, CLIP ResNets and CLIP Vision Transformers, on your images.",
    help_epilogue="Try `visavis demo`, then `visavis compare resnet-mini.emoji RN-mini.emoji --data photos/`.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),  # no --empty-view beside --view
    suppress_keyboard_interrupt=False,  # main() says what is kept
    result_action="return_value",
)

out_console = Console(highlight=False, emoji=False)  # a name such as :cat: stays as it is
err_console = Console(stderr=True, highlight=False, emoji=False)


def by_comma(names: str) -> list[str]:
    """Names that a user wrote with commas between them."""
    return [name.strip() for name in names.split(",") if name.strip()]
