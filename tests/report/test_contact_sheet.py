from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visavis.report.contact_sheet import Card, render_sheet

HOSTILE = ("</figure><script>alert(1)</script>", "x" * 300, 'a" onerror="alert(2)', "two\nlines", "\u202egnp.exe", "")


def jpeg(width: int = 30, height: int = 20) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 90, 20)).save(stream, "JPEG")
    return stream.getvalue()


def sheet(query: str = "a red car", picture: bytes = b"") -> str:
    cards = [
        Card(
            title=name,
            label=name or None,
            picture=jpeg(10 + 40 * rank) if rank % 3 else b"",
            rank=rank,
            score=-rank / 9,
        )
        for rank, name in enumerate(HOSTILE, start=1)
    ]
    return render_sheet(cards, query=query, query_picture=picture, model="m<b>", data="d&d", n_images=12_345)


def test_names_are_text_and_the_page_is_one_file():
    page = sheet("<img src=x onerror=alert(3)>", jpeg())
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert set(re.findall(r'<img[^>]+src="(.{10})', page)) == {"data:image"}
    assert "m&lt;b&gt;" in page
    assert "12,345 images" in page
    assert page.count("not there any more") == 2
    assert "\N{MINUS SIGN}0.111" in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_in_a_browser(browser: Any, tmp_path: Path, width: int) -> None:
    (tmp_path / "s.html").write_text(sheet("q" * 400, jpeg(400, 100)), "utf-8")
    trouble: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.on("console", lambda message: trouble.append(message.text))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else trouble.append(asked.url))
    page.goto((tmp_path / "s.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert page.locator("figure").count() == len(HOSTILE)
    page.screenshot(path=tmp_path / "s.png", full_page=True)
    page.close()
    assert trouble == []
