"""Names that stand for several views."""

from __future__ import annotations

import pytest

from visavis.data.presets import CORRUPTIONS, INVARIANCE, LEVELS, OUTLINES, PRESETS, expand_views
from visavis.data.views import parse_view
from visavis.errors import UsageError


def test_all_corruptions():
    names = expand_views(["corruptions"])
    assert len(names) == len(set(names)) == 1 + 15 * 5
    assert names[0] == "clean"
    assert {name.partition(":")[0] for name in names[1:]} == {kind for group in CORRUPTIONS.values() for kind in group}


def test_sets_at_one_severity_and_in_company():
    assert len(expand_views(["corruptions:3"])) == 16
    assert expand_views(["weather:1", "fog:1", "rotate:15"]) == (
        "clean", "snow:1", "frost:1", "fog:1", "brightness:1", "rotate:15",
    )  # fmt: skip
    assert expand_views(["grayscale", "invariance"])[:2] == ("grayscale", "clean")
    assert len(expand_views(["levels"])) == 1 + sum(map(len, LEVELS.values())) + len(OUTLINES)


def test_single_views_stay_as_they_are():
    assert expand_views(["fog:3", "no such view"]) == ("fog:3", "no such view")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_name_is_a_view_and_canonical(preset):
    assert all(parse_view(name).name == name for name in expand_views([preset]))
    assert len(INVARIANCE) == len(set(INVARIANCE))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("corruptions:6", "a severity from 1 to 5 behind the colon, such as corruptions:3"),
        ("noise:", "a severity from 1 to 5"),
        ("levels:3", "have levels of their own"),
    ],
)
def test_sets_that_are_none(name, said):
    with pytest.raises(UsageError, match=said):
        expand_views([name])


def test_a_set_is_offered_for_a_near_name():
    with pytest.raises(UsageError, match="Did you mean corruptions"):
        parse_view("corruption")
