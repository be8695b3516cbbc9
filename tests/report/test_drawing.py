"""Drawings of layers: what is drawn follows from the records, and nothing lies on anything else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_layers import bottleneck, layer, transformer_block

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.tree import INPUT, Layer
from visavis.report.drawing import block_svg, drawing_style
from visavis.report.drawing.block import path
from visavis.report.drawing.graph import IDLE, Graph, graph_of
from visavis.report.drawing.layout import Box, Layout, Point, place
from visavis.report.drawing.network import cut_into, plate_of
from visavis.report.drawing.text import fit, shape_text, text_width

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</svg><script>alert(1)</script> & "it\'s" \x1b \u202e 🦊 ' + "x" * 300


def named_edges(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.nodes[edge.source].name, graph.nodes[edge.target].name) for edge in graph.edges}


def test_a_bottleneck_reads_as_in_the_paper() -> None:
    graph = graph_of(bottleneck())
    main = ["input", "conv1", "bn1", "relu", "conv2", "bn2", "relu2", "conv3", "bn3", "add", "relu3", "output"]
    full = [name if name in ("input", "output") else f"layer2.0.{name}" for name in main]
    beside = ["layer2.0.downsample.0", "layer2.0.downsample.1"]
    expected = set(pairwise(full)) | {
        ("input", beside[0]), (beside[0], beside[1]), (beside[1], "layer2.0.add")
    }  # fmt: skip
    assert named_edges(graph) == expected
    assert graph.frames == {"layer2.0.downsample": "downsample · Sequential"}
    layout = place(graph)
    columns = {box.node.name: box.middle[0] for box in layout.boxes}
    assert len({columns[name] for name in full}) == 1  # the main path is one column
    assert columns[beside[0]] == columns[beside[1]] > columns["input"]
    heights = [box.y for name in full for box in layout.boxes if box.node.name == name]
    assert heights == sorted(heights)


def test_an_identity_is_the_edge_itself() -> None:
    graph = graph_of(bottleneck(projected=False))
    assert "layer2.0.downsample" not in {node.name for node in graph.nodes}
    labels = {(edge.source, graph.nodes[edge.target].kind): edge.label for edge in graph.edges}
    assert labels[0, "+"] == "identity"
    assert re.search(r"<text[^>]*>identity</text>", block_svg(bottleneck(projected=False)))


def test_dropout_within_a_chain_is_left_out() -> None:
    steps = (layer("m.fc", "Linear", (4,), INPUT), layer("m.drop", "Dropout", (4,), "m.fc"),
             layer("m.act", "ReLU", (4,), "m.drop"))  # fmt: skip
    graph = graph_of(layer("", "Net", (4,), children=(layer("m", "MLP", (4,), INPUT, children=steps),)))
    assert named_edges(graph) == {("input", "m.fc"), ("m.fc", "m.act"), ("m.act", "output")}


def test_a_transformer_block_adds_twice_and_shows_its_ffn() -> None:
    block = transformer_block()
    graph = graph_of(block)
    assert [node.kind for node in graph.nodes] == [
        "input", "LayerNorm", "Attention", "+", "LayerNorm", "Linear", "QuickGELU", "Linear", "+", "output"
    ]  # fmt: skip
    assert ("input", f"{block.name}.add") in named_edges(graph)
    assert (f"{block.name}.add", f"{block.name}.add2") in named_edges(graph)
    layout = place(graph)
    skips = [way for way in layout.ways if len(way.corners) > 2]
    assert len(skips) == 2
    assert len({max(x for x, _ in way.corners) for way in skips}) == 1  # both beside the column, in one lane
    (frame,) = layout.frames
    assert "mlp" in frame.heading


def test_every_text_of_a_layer_stands_in_its_drawing() -> None:
    said = "".join(ET.fromstring(block_svg(bottleneck())).itertext())
    for text in ("1×1, 256 to 512, stride 2", "128×28×28", "147", "BatchNorm2d", "512×28×28", "Conv2d", "ReLU", "256"):
        assert text in said


def test_a_repeated_block_stands_on_a_panel_with_its_number() -> None:
    single, many = (ET.fromstring(block_svg(transformer_block(), times)) for times in (1, 12))
    assert not [one for one in single.iter(f"{SVG}rect") if one.get("class") == "panel"]
    (panel,) = [one for one in many.iter(f"{SVG}rect") if one.get("class") == "panel"]
    assert "12\N{NO-BREAK SPACE}×" in "".join(many.itertext())
    left, _, width, _ = map(float, many.get("viewBox", "").split())
    assert left < float(panel.get("x", "nan"))
    assert float(panel.get("x", "nan")) + float(panel.get("width", "nan")) < left + width
    boxes = [one for one in many.iter(f"{SVG}rect") if one.get("class") == "box"]
    assert all(float(one.get("x", "nan")) > float(panel.get("x", "nan")) for one in boxes)


def test_a_file_brings_its_colours_and_a_page_brings_them_once() -> None:
    alone, on_page = block_svg(bottleneck()), block_svg(bottleneck(), identity="b1")
    assert "<style>" in alone
    assert "<style>" not in on_page
    # No variables and no mixing, which vector editors do not know; each colour is written out.
    assert not re.search(r"var\(|color-mix|calc\(", str(drawing_style()))
    assert re.search(r"\.drawing \.weights \.box[^}]*fill: #[0-9a-f]{6}; stroke: #[0-9a-f]{6}", drawing_style())


@pytest.mark.parametrize("name", ["resnet18", "resnet152", "RN50x4", "ViT-B-32", "ViT-L-14-336", "ViT-bigG-14"])
def test_whole_networks_stand_alone_as_xml(name: str) -> None:
    anatomy = inspect(name)
    drawn = ET.fromstring(anatomy.to_svg())
    assert drawn.tag == f"{SVG}svg"
    assert drawn.get("role") == "img"
    said = "".join(drawn.itertext())
    plates = sum(max(1, part.blocks) for tower in anatomy.towers for part in tower.parts)
    inputs = len(anatomy.towers)
    tops = [one for one in drawn.iter(f"{SVG}path") if one.get("class") == "top"]
    assert len(tops) == plates + inputs  # a plate a block
    for tower in anatomy.towers:
        for part in tower.parts:
            assert part.title in said
    cuts = [one for one in drawn.iter(f"{SVG}path") if one.get("class") == "cut"]
    assert len(cuts) == (name.startswith("ViT"))  # the image alone, where it is cut into patches
    identities = [one.get("id") for one in drawn.iter() if one.get("id")]
    assert len(identities) == len(set(identities))
    # Beside the towers the repeated block is opened, and nothing reaches beyond the figure.
    width, height = float(drawn.get("width", "nan")), float(drawn.get("height", "nan"))
    inner = [one for one in drawn if one.tag == f"{SVG}svg"]
    assert [one.get("class") for one in inner][:2] == ["drawing network", "drawing block"]
    ends = [float(one.get("x", "nan")) + float(one.get("width", "nan")) for one in inner]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(width, abs=0.1)
    assert max(float(one.get("height", "nan")) for one in inner) == height


def test_a_linear_map_of_an_operation_shows_its_widths_without_its_weights_names() -> None:
    joint = layer("a.linear", "linear", (50, 2304), INPUT, settings="768 to 2304, in_proj_weight, in_proj_bias")
    drawn = block_svg(layer("a", "Attention", (50, 768), children=(joint,)))
    assert ">768 to 2304<" in drawn
    assert "in_proj" not in drawn


def test_patches_by_hand() -> None:
    assert [cut_into(inspect(name).towers[0]) for name in ("resnet18", "ViT-B-32", "ViT-L-14-336")] == [0, 7, 24]


def test_layers_that_never_run_are_named_but_not_drawn() -> None:
    one = layer("", "Net", (8,), children=(layer("fc", "Linear", (8,), INPUT), layer("old", "Linear", None)))
    assert [node.name for node in graph_of(one).nodes] == ["input", "fc", "output"]
    assert "Never runs: old" in block_svg(one)


def test_a_layer_without_children_still_draws() -> None:
    assert ET.fromstring(block_svg(layer("fc", "Linear", (8,), INPUT))).tag == f"{SVG}svg"


def test_hostile_names_stay_text() -> None:
    inner = layer(HOSTILE, HOSTILE, (8,), INPUT, settings=HOSTILE, params=1)
    outer = layer(HOSTILE, HOSTILE, (8,), children=(inner, layer("b", "add", (8,), HOSTILE, INPUT)))
    for drawn in (block_svg(outer), block_svg(outer, 3, "on-a-page")):
        tree = ET.fromstring(drawn)
        assert not list(tree.iter(f"{SVG}script"))
        assert "\x1b" not in drawn
        assert "\u202e" not in drawn


@st.composite
def dags(draw: st.DrawFn) -> Layer:
    """Any siblings that read any earlier ones, chains within them too."""
    children: list[Layer] = []
    for number in range(draw(st.integers(0, 14))):
        names = [INPUT, *(child.name for child in children)]
        sources = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
        kind = draw(st.sampled_from(["Conv2d", "add", "cat", "Identity", "ReLU", "Sequential", "Dropout"]))
        inside = ()
        if kind == "Sequential":
            inside = (
                layer(f"{number}.0", "Linear", (4,), INPUT, settings="4 to 4" * draw(st.integers(0, 5)), params=20),
                layer(f"{number}.1", "ReLU", (4,), f"{number}.0"),
            )
        shape = draw(st.sampled_from([(4,), (64, 7, 7), (197, 768), (2048, 112, 112)]))
        children.append(layer(f"{number}", kind, shape, *sources, children=inside))
    return layer("", "Net", (4,), children=tuple(children))


@settings(max_examples=300, deadline=None)
@given(dags())
def test_nothing_lies_on_anything_whatever_the_graph(net: Layer) -> None:
    graph = graph_of(net)
    layout = place(graph)
    assert [box.node for box in layout.boxes] == list(graph.nodes)
    for one, other in combinations(layout.boxes, 2):
        assert apart(one, other), (one.node.name, other.node.name)
    for box in layout.boxes:
        assert box.x >= 0
        assert box.x + box.width <= layout.width
        assert box.y >= 0
        assert box.y + box.height <= layout.height
        for left, right in box.lines:
            assert text_width(left, 11) + text_width(right, 11) <= box.width - 12
    assert_ways(layout)


@settings(max_examples=200, deadline=None)
@given(dags())
def test_every_source_is_drawn_once(net: Layer) -> None:
    graph = graph_of(net)
    pairs = [(way.edge.source, way.edge.target) for way in place(graph).ways]
    assert len(pairs) == len(set(pairs))
    drawn = {(graph.nodes[a].name, graph.nodes[b].name) for a, b in pairs}
    gives = {INPUT: INPUT}  # what stands for a layer: itself, the last step of a chain, or what an identity reads
    for child in net.children:
        identity = child.kind in IDLE and len(child.sources) == 1
        gives[child.name] = gives[child.sources[0]] if identity else child.name
        if child.children and len(child.children) > 1:
            gives[child.name] = child.children[-1].name
    expected = set()
    for child in net.children:
        if child.kind in IDLE and len(child.sources) == 1:
            continue
        first = child.children[0].name if child.children else child.name
        expected |= {(gives[source], first) for source in child.sources}
        expected |= {(a.name, b.name) for a, b in pairwise(child.children)}
    expected.add((gives[net.children[-1].name] if net.children else INPUT, "output"))
    assert drawn == expected


def apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def assert_ways(layout: Layout) -> None:
    """Lines run straight down, up or across, through no box, and those of different tensors not along each other."""
    for way in layout.ways:
        for (x1, y1), (x2, y2) in pairwise(way.corners):
            assert x1 == pytest.approx(x2) or y1 == pytest.approx(y2)
            low_x, high_x, low_y, high_y = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
            for box in layout.boxes:
                inside_x = high_x > box.x + 0.5 and low_x < box.x + box.width - 0.5
                inside_y = high_y > box.y + 0.5 and low_y < box.y + box.height - 0.5
                assert not (inside_x and inside_y), (way.edge, box.node.name)
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in way.corners)
    for one, other in combinations(layout.ways, 2):
        if one.edge.source != other.edge.source and one.edge.target != other.edge.target:
            assert not any(along(*a, *b) for a in pairwise(one.corners) for b in pairwise(other.corners))


def along(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two straight lines share more than a point, and so could be taken for one."""
    for across in (0, 1):
        ends = (a[across], b[across], c[across], d[across])
        if max(ends) - min(ends) < 0.6:
            (low, high), (start, stop) = (sorted((e[1 - across], f[1 - across])) for e, f in ((a, b), (c, d)))
            return min(high, stop) - max(low, start) > 1
    return False


def test_the_path_of_a_line_by_hand() -> None:
    assert path(((0, 0), (0, 10))) == "M0 0L0 10"
    # A corner of radius 9 on sides of 30 and 20 begins and ends 9 away from it.
    assert path(((0, 0), (0, 30), (20, 30))) == "M0 0L0 21Q0 30 9 30L20 30"
    # Half of a short side is all there is.
    assert path(((0, 0), (0, 4), (20, 4))) == "M0 0L0 2Q0 4 2 4L20 4"


def test_plates_have_one_scale_for_maps_and_sequences() -> None:
    grid, tokens = plate_of((768, 14, 14)), plate_of((196, 768))
    assert (grid.width, grid.thickness) == (tokens.width, tokens.thickness)
    assert plate_of((256, 56, 56)).width == pytest.approx(2 * plate_of((256, 14, 14)).width, abs=0.2)
    assert plate_of((14, 14, 768)) == grid  # channels last
    assert plate_of((1024, 7, 7)).thickness == pytest.approx(2 * plate_of((256, 7, 7)).thickness, abs=0.2)


@given(st.text(), st.floats(20, 300))
def test_cut_text_fits(text: str, room: float) -> None:
    assert text_width(fit(text, 12, room), 12) <= room
    if text_width(text, 12) <= room:
        assert fit(text, 12, room) == text


def test_shapes_in_words() -> None:
    assert [shape_text(shape) for shape in ((256, 56, 56), (50, 768), (1000,), (), None)] == [
        "256×56×56", "50×768", "1000", "1", ""
    ]  # fmt: skip
