from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_explanations import HOSTILE, a_map, a_saliency, saliencies
from PIL import Image
from rich.console import Console

from visavis.errors import UsageError, VisavisError
from visavis.report.explanation import (
    AGAINST,
    FOR,
    common_scale,
    density,
    draw_sheet,
    greyed,
    overlay,
    render_page,
    scores_table,
    write_explanation,
)


@given(arrays(np.float32, (4, 4), elements=st.floats(-100, 100, width=32)))
def test_density_is_in_multiples_of_the_mean(values: np.ndarray) -> None:
    shown = density(values)
    assert np.array_equal(np.sign(shown), np.sign(values)) or np.abs(values).mean() == 0
    assert np.abs(shown).mean() == pytest.approx(1, rel=1e-4) or not shown.any()


def test_units_of_a_map_change_nothing() -> None:
    values = a_map(against=True)
    np.testing.assert_allclose(density(1000 * values), density(values), rtol=1e-5)
    assert overlay(1000 * values, 4).tobytes() == overlay(values, 4).tobytes()


def test_colours_say_what_speaks_for_and_against() -> None:
    values = np.zeros((2, 2), np.float32)
    values[0, 0], values[1, 1] = 3, -1
    veil = np.asarray(overlay(values, scale=3.0))  # mean 1: 3 is the scale's end, -1 a third of the way
    assert tuple(veil[0, 0]) == (*FOR, round(255 * 0.85))
    assert tuple(veil[1, 1]) == (*AGAINST, round(255 * 0.85 / 3))
    assert veil[0, 1, 3] == veil[1, 0, 3] == 0
    beyond = np.asarray(overlay(values, scale=1.0))
    assert beyond[0, 0, 3] == beyond[1, 1, 3] == round(255 * 0.85)


def test_one_scale_for_all_maps() -> None:
    even, blot, point = np.ones((32, 32), np.float32), a_map(), np.zeros((32, 32), np.float32)
    point[:6, :6] = 1
    ends = [float(np.quantile(density(values), 0.99)) for values in (blot, point)]
    assert common_scale([even, even]) == 2  # an even map is not made to look pointed
    assert common_scale([blot]) == pytest.approx(ends[0])
    assert common_scale([even, blot, point]) == pytest.approx(sorted([1, *ends])[1])


def test_greyed_pictures_have_no_colour_of_their_own() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    grey = np.asarray(greyed(picture))
    assert (grey[..., 0] == grey[..., 1]).all()
    assert grey.min() >= 90


def test_the_sheet_has_a_row_a_model_and_a_column_a_map() -> None:
    sheet = draw_sheet(saliencies())
    assert sheet.size[0] == 3 * (224 + 18) + 18  # picture and two maps
    alone = draw_sheet(saliencies()[:1])
    assert alone.size[0] == 2 * (224 + 18) + 18
    assert sheet.size[1] > 1.5 * alone.size[1]
    pixels = np.asarray(sheet).astype(int)
    orange = (np.abs(pixels - np.array(FOR)).sum(axis=-1) < 120).sum()
    blue = (np.abs(pixels - np.array(AGAINST)).sum(axis=-1) < 120).sum()
    assert orange > 500
    assert blue > 500


class Parsed(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_escapes_names_and_asks_the_network_for_nothing() -> None:
    page = Parsed(render_page(saliencies()))
    assert "script" not in [tag for tag, _ in page.tags]
    assert page.text.count("<script>alert(1)</script>") >= 5  # model, targets, word, note
    assert "\u202e" not in page.text
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_the_page_shows_scores_methods_words_and_notes() -> None:
    page = Parsed(render_page(saliencies()))
    shown = ("cosine −0.07", "logit 12.3", "gradient-weighted attention (Chefer et al. 2021)", "Zeiler and Fergus 2014")
    for said in (*shown, "The text fills all 16 tokens", "visavis explain --check"):
        assert said in " ".join(page.text.split())
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 2 + 2 * 3  # a picture a model, ground and veil a map
    assert next(attributes["alt"] for attributes in images if attributes.get("class") == "veil") == (
        'Where ViT-mini-8.emoji finds text "a dog", by gradient-weighted attention'
    )
    shares = [attributes["style"] for tag, attributes in page.tags if tag == "span" and "style" in attributes]
    assert shares == ["--share: 0.25", "--share: 1.0", "--share: 0.0"]


def test_a_map_of_zeros_is_shown_as_nothing() -> None:
    nothing = replace(a_saliency(), map=np.zeros((32, 32), np.float32))
    assert "≥ 2.0" in render_page([nothing])
    assert np.asarray(overlay(nothing.map, 2.0))[..., 3].max() == 0
    draw_sheet([nothing])


def test_the_terminals_table_holds_hostile_names_as_text() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    markup = replace(a_saliency(), target='text "[red]not markup[/red]"')
    console.print(scores_table([*saliencies(), markup]))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]not markup[/red]" in said
    assert "cosine −0.07" in said
    assert "\u202e" not in said


@pytest.mark.parametrize("name", ["map.png", "map.html", "new/folder/map.png"])
def test_files_are_written_whole(tmp_path: Path, name: str) -> None:
    path = write_explanation(saliencies(), tmp_path / name)
    if path.suffix == ".png":
        with Image.open(path) as sheet:
            assert sheet.size == draw_sheet(saliencies()).size
    else:
        assert path.read_text("utf-8") == render_page(saliencies())
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["map", "map.jpg", ".png"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"'{re.escape(name)}' ends in neither"):
        write_explanation(saliencies(), tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="folders are closed by permissions on POSIX alone")
def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(VisavisError, match=r"Cannot write '.*map\.png': .*another place"):
        write_explanation(saliencies(), tmp_path / "file" / "map.png")


def test_the_same_maps_are_the_same_file(tmp_path: Path) -> None:
    first, second = (write_explanation(saliencies(), tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert HOSTILE not in render_page(saliencies())
