"""`visavis inspect` as a process: what a user reads, at any width, and what is wrong with a call."""

from __future__ import annotations

import re

import pytest


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def printed(visavis):
    """The three kinds and a second patch size, as in the README."""
    called = visavis("inspect", "resnet50", "RN50", "ViT-B-32", "ViT-B-16", environment={"COLUMNS": "100"})
    assert called.code == 0, called.err
    assert called.err == ""
    return called.out


def test_the_famous_numbers(printed):
    text = words(printed)
    for said in (
        "25,557,032 102,007,137 151,277,313 149,620,737",
        "4,089,184,256 5,793,153,024 4,408,811,520 17,563,453,440",
        "8,178,368,512 11,586,306,048 8,817,623,040 35,126,906,880",
        "50 = 1 + 3 × 16 + 1. Convolutions and linear layers without the projections of shortcuts",
        "53 = 1 + 3 × 16 + 4. Convolutions, with the 4 that project a shortcut",
        "55 = 3 + 3 × 16 + 4. Convolutions, with the 4 that project a shortcut",
        "it is 483 = 427 + 8 + 16 + 32: the 3×3 behind it then works on places twice as far apart",
        "in torchvision and timm, the stride sits on the 3×3",
        "50 = 1 + 4 × 12 + 1. Weight matrices",
        "16.85 G in place of 17.56 G",
        "level at 4,608 tokens",
        "RN50 and ViT-B-32 cost the same at",
        "1 MAC = 2 FLOPs",
    ):
        assert said in text
    assert "\x1b" not in printed  # no colours in a pipe


def test_blocks_are_folded(printed):
    assert re.search(r"resblocks\.0–11 Block × 12 +50×768 +7\.09\sM +358\sM", printed)
    assert re.search(r"1–5 Bottleneck × 5 +1024×14×14 .* 139–267 px", printed)
    assert len(printed.splitlines()) < 260


@pytest.mark.parametrize("width", [60, 80, 160])
def test_every_line_fits(visavis, width):
    called = visavis("inspect", "RN50", "ViT-B-32", "--depth", 3, environment={"COLUMNS": str(width)})
    assert called.code == 0
    assert max(map(len, called.out.splitlines())) <= width
    assert "── attn" in called.out


def test_depth(visavis):
    lengths = [len(visavis("inspect", "resnet18", "--depth", depth).out.splitlines()) for depth in (1, 2, 3)]
    assert lengths[0] < lengths[1] < lengths[2]


def test_files_with_hostile_names(visavis, models):
    called = visavis("inspect", *models)
    assert called.code == 0, called.err
    assert "<b>&'\" 🦊" in called.out


def test_calls_that_are_wrong(visavis):
    assert "Name at least one model to inspect" in visavis("inspect").failed(2)
    assert "Did you mean" in visavis("inspect", "ViT-B-23").failed(2)
    assert "`visavis list` shows all" in visavis("inspect", "resnet50", "nothing-like-it").failed(2)
    assert "give its folder with --out" in visavis("inspect", "resnet18", "--data", "emoji").failed(2)


def test_no_traceback_for_another_librarys_name(visavis):
    """The library is not here, or the name is not known there; either is said."""
    called = visavis("inspect", "timm/resnet999")
    assert called.code in (1, 2)
    assert "timm" in called.failed(called.code)
