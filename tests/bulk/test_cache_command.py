"""`visavis cache`: what is kept, by model, and less of it."""

from __future__ import annotations

import re

import pytest


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("VISAVIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VISAVIS_CACHE_SIZE", raising=False)
    monkeypatch.setenv("COLUMNS", "300")


def test_it_shows_and_prunes(command, models, photos, tmp_path):
    empty = command("cache")
    assert (empty.code, empty.out) == (0, f"{tmp_path / 'cache'}: 0.0 MB of at most 20,000 MB\n")
    for model in (models.vit, models.resnet):
        assert command("search", model, photos, "--image", photos / "plain" / "0.png").code == 0
    shown = command("cache")
    assert shown.code == 0
    assert len(re.findall(r"^ *(collections|vectors) .* 1 +0\.0 +\d{4}-", shown.out, re.MULTILINE)) == 4
    limited = command("cache", "--prune", "--max-size", "1B")
    assert "Removed 4 entries" in limited.out
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".parquet", ".float32")]
    assert command("search", models.vit, photos, "--image", photos / "plain" / "0.png").code == 0


def test_wrong_calls(command, monkeypatch):
    assert "give both" in command("cache", "--max-size", "5GB").failed(2)
    assert "not 'much'" in command("cache", "--prune", "--max-size", "much").failed(2)
    monkeypatch.setenv("VISAVIS_CACHE_SIZE", "all")
    assert "not 'all'" in command("cache").failed(2)
