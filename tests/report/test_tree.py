"""Opened networks in a terminal: every line fits, no number is cut, alike layers fold."""

from __future__ import annotations

import dataclasses
import io

import pytest
from made_anatomies import HOSTILE, LONG, resnet, vit
from made_layers import bottleneck, layer
from rich.console import Console, RenderableType

from visavis.inspection.anatomy.anatomy import Anatomy
from visavis.inspection.anatomy.tree import INPUT, Layer
from visavis.report.tree import counts_table, crossing_lines, folded, layer_tree, parts_table

WIDTHS = (60, 80, 110, 160)


def printed(shown: RenderableType, width: int = 80) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(shown)
    return [line.rstrip().replace("\N{NO-BREAK SPACE}", " ") for line in stream.getvalue().splitlines()]


def with_layers(*children: Layer) -> Anatomy:
    """A network of these layers alone."""
    plain = resnet()
    root = dataclasses.replace(plain.towers[0].root, children=children)
    return dataclasses.replace(plain, towers=(dataclasses.replace(plain.towers[0], root=root, parts=()),))


def tree(*children: Layer, depth: int = 2, width: int = 80) -> list[str]:
    return printed(layer_tree(with_layers(*children), depth, width), width)[2:]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 9])
def test_every_line_fits_and_numbers_are_whole(width, depth):
    for anatomy in (resnet(), vit(), resnet(HOSTILE), vit(LONG)):
        lines = printed(layer_tree(anatomy, depth, width), width)
        assert all(len(line) <= width for line in lines)
        shown = [line for line in lines[1:] if line.strip()]
        assert len(shown) == len(lines) - 1  # nothing wraps
        assert len(lines) > depth
        if width > 60 or depth < 4:  # else the guides alone reach the numbers
            assert not [line for line in lines[1:] if "…" in line[width - 40 :]]


def test_columns_stand_below_their_titles():
    lines = printed(layer_tree(resnet(), 1, 80))
    output, params, macs, sees = (lines[0].index(title) + len(title) for title in ("output", "params", "MACs", "sees"))
    (conv,) = (line for line in lines if "conv1" in line)
    assert conv[output - 10 : output] == "64×112×112"
    assert conv[params - 6 : params] == "9.41 k"
    assert conv[macs - 5 : macs] == "118 M"
    assert conv[sees - 4 : sees] == "7 px"


def test_depth_is_counted_from_the_tower():
    assert [len(printed(layer_tree(resnet(), depth, 80))) for depth in (0, 1)] == [2, 2 + len(list(folded(children())))]


def children() -> tuple[Layer, ...]:
    return resnet().towers[0].root.children


def test_alike_neighbours_are_one_line():
    first, second = (
        dataclasses.replace(bottleneck(name, projected=False), receptive_field=field)
        for name, field in (("layer1.1", 27), ("layer1.2", 35))
    )
    stage = layer("layer1", "Sequential", (512, 28, 28), INPUT, children=(bottleneck("layer1.0"), first, second))
    lines = tree(stage, depth=2)
    assert len(lines) == 3
    assert "1–2 Bottleneck × 2" in lines[2]
    assert lines[2].endswith("27–35 px")
    assert [len(same) for same in folded(stage.children)] == [1, 2]


def alike(*names: str) -> tuple[Layer, ...]:
    return tuple(layer(name, "Linear", (50, 8), INPUT, params=72, macs=3200) for name in names)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("fc",), "fc Linear"),
        (("k_proj", "v_proj"), "k_proj, v_proj Linear × 2"),
        (("q", "k", "v"), "q … v Linear × 3"),
        (("blocks.0", "blocks.1"), "blocks.0–1 Linear × 2"),
        (("blocks.9", "blocks.10", "blocks.11"), "blocks.9–11 Linear × 3"),
        (("left.0", "right.0"), "left.0 … right.0 Linear × 2"),
        (("7",), "7 Linear"),
    ],
)
def test_what_folded_layers_are_called(names, shown):
    (line,) = tree(*alike(*names), depth=1)
    assert line.split("── ")[1].startswith(f"{shown}  ")


def test_layers_that_differ_in_anything_stay_apart():
    one, two = alike("a", "b")
    for change in (
        {"kind": "Conv1d"},
        {"settings": "8 to 8"},
        {"output_shape": (50, 9)},
        {"params": 73},
        {"macs": None},
        {"children": alike("b.c")},
    ):
        assert len(tree(one, dataclasses.replace(two, **change), depth=1)) == 2
    assert len(tree(one, dataclasses.replace(two, receptive_field=9), depth=1)) == 1


def test_unknown_is_said_and_nothing_is_blank():
    known, unknown = layer("a", "ReLU", (4, 8, 8), INPUT, macs=0), layer("b", "FFT", (4, 8, 8), "a", macs=None)
    idle = layer("c", "Linear", None, params=9, macs=None)
    lines = tree(known, unknown, idle, depth=1)
    assert "unknown" not in lines[0]
    assert "unknown" in lines[1]
    assert "never runs" in lines[2]
    assert "unknown" not in lines[2]
    assert lines[2].split()[-1] == "9"


def test_a_wide_terminal_shows_strides_and_memory():
    conv = layer("a", "Conv2d", (4, 8, 8), INPUT, stride=2, receptive_field=3, activation_bytes=3 * 2**20)
    (line,) = tree(conv, depth=1, width=120)
    assert line.endswith("3 px    2 px   3.0 MiB")
    (line,) = tree(dataclasses.replace(conv, activation_bytes=2048), depth=1, width=120)
    assert line.endswith("2.0 KiB")
    assert tree(conv, depth=1)[0].endswith("3 px")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_steps_side_by_side_fit(width, count):
    """No number is cut, and none is folded over two lines; what does not fit beside the others comes below."""
    anatomies = [(resnet, vit)[number % 2](f"model-{number}") for number in range(count)]
    lines = printed(parts_table(anatomies, width), width)
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    for anatomy in anatomies:
        assert anatomy.name in text
        assert text.count(f"{anatomy.params:,}") >= 1
        assert f"{anatomy.macs:,}" in text
        assert f"{2 * anatomy.macs:,}" in text
    for line in lines:
        if line.strip().startswith(("params", "MACs", "FLOPs", "output")):
            assert "…" not in line


def test_a_number_without_room_is_rounded():
    huge = dataclasses.replace(resnet(), params=2_539_567_105_000_000)
    assert f"{huge.params:,}" not in "\n".join(printed(parts_table([huge] * 4, 80)))
    assert "…" not in "\n".join(line for line in printed(parts_table([huge] * 4, 80)) if "parameters" in line)
    assert f"{huge.params:,}" in "\n".join(printed(parts_table([huge] * 4, 160), 160))


def test_shares_of_parts():
    lines = printed(parts_table([resnet()], 80))
    # Of 4 G MACs: the stem's 118 M; a stage's 10.
    stem, stage = (
        next(at for at, line in enumerate(lines) if line.startswith(f" {name}")) for name in ("stem", "stage 1")
    )
    assert lines[stem : stem + 4] == [
        " stem        Stem",
        "   output    64×112×112",
        "   params    9.41 k (1%)",
        "   MACs      118 M (3%)",
    ]
    assert lines[stage + 3] == "   MACs      10 (<1%)"


def test_names_cannot_break_the_table():
    for shown in (parts_table([resnet(HOSTILE), vit(LONG)], 80), layer_tree(resnet(HOSTILE), 2, 80)):
        text = "\n".join(printed(shown))
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_names_of_classes_are_no_markup():
    """As of a class made with `type("X[/b]", ...)`."""
    odd = with_layers(layer("[red]x", "X[/b]", (4, 8, 8), INPUT))
    part = dataclasses.replace(resnet().stages[0], title="[/i]", layers=("[red]x",))
    odd = dataclasses.replace(odd, towers=(dataclasses.replace(odd.towers[0], parts=(part,)),))
    assert "[red]x X[/b]" in "\n".join(printed(layer_tree(odd, 1, 80)))
    assert "1 X[/b]" in "\n".join(printed(counts_table(odd)))
    assert "[/i]" in "\n".join(printed(parts_table([odd], 80)))


def test_a_long_name_is_shown_whole():
    """Over several lines, since it is what the user has called the network."""
    lines = printed(parts_table([vit(LONG)] * 4, 80))
    column = "".join(line[13:28].strip() for line in lines[1 : lines.index(next(x for x in lines if "───" in x))])
    assert column == LONG


def test_counts_by_kind_and_rules():
    text = " ".join(" ".join(printed(counts_table(resnet()))).split())
    kinds = resnet().kinds
    assert f"{sum(kinds.values())} modules in the image tower: " in text
    for kind, number in kinds.items():
        assert f"{number} {kind}" in text
    for rule in resnet().rules:
        assert f"{rule.number:,}" in text
        assert rule.says.replace("1x1", "1×1").replace("3x3", "3×3") in text
        assert rule.sum.replace(" x ", " × ") in text


def test_where_costs_cross():
    (line,) = printed(crossing_lines([resnet(), vit()]), 120)
    assert line.startswith("resnet-like and vit-like cost the same at ")
    assert line.endswith("MACs.")
    assert crossing_lines([resnet()]).plain == ""
