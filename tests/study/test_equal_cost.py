"""The same budget for all: sizes that fit it, the largest of them, and what cannot be cut."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from visavis import compare, load
from visavis.data.read import read_dataset
from visavis.errors import UsageError
from visavis.inspection.cost import count_macs
from visavis.study import equal_cost
from visavis.study.equal_cost import at_equal_cost
from visavis.study.study import load_study

MODELS = ["resnet-mini.emoji", "ViT-mini-8.emoji"]


def macs_at(name: str, size: int) -> int:
    encoder = load(name, image_size=size)
    return count_macs(encoder.image_tower, encoder.image_size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("equal")
    for sample in [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:12]:
        (folder / f"{sample.id}.webp").write_bytes(sample.read_bytes())
    return folder


def test_the_largest_size_within_the_cheapest_ones_budget():
    own = {name: macs_at(name, load(name).image_size) for name in MODELS}
    cheap, dear = sorted(MODELS, key=own.__getitem__)
    by_name = dict(zip(MODELS, at_equal_cost([load(name) for name in MODELS], "macs", "own"), strict=True))
    assert by_name[cheap].image_size == load(cheap).image_size
    size = by_name[dear].image_size
    assert size < load(dear).image_size
    assert macs_at(dear, size) <= own[cheap] < macs_at(dear, size + 8)


def test_a_row_of_the_other_choices_is_what_a_study_on_that_budget_finds_with_the_same_crop(tmp_path):
    samples = [sample for sample in read_dataset("emoji").samples if sample.part == "test"][:40]
    lines = ["path,label,part"]
    for sample in samples:
        with Image.open(io.BytesIO(sample.read_bytes())) as picture:
            picture.convert("RGB").resize((90, 60)).save(tmp_path / f"{sample.id}.png")
        lines.append(f'{sample.id}.png,"{sample.label}",test')
    (tmp_path / "table.csv").write_text("\n".join(lines))
    models = ["RN-mini.emoji", "ViT-mini-8.emoji"]
    study = compare(models, tmp_path / "table.csv", measures=["zero_shot", "sensitivity"], crop="squash")
    row = study.chapters["sensitivity"].set_index("choice").loc["equal MACs"]
    other = compare(models, tmp_path / "table.csv", measures=["zero_shot"], crop="squash", equal="macs")
    found = other.results[other.results["metric"] == "accuracy"].set_index("model")["value"]
    assert row["value"] == found[row["best"]]
    assert row["difference"] == pytest.approx(abs(found[models[0]] - found[models[1]]))


def test_models_of_one_cost_stay_as_they_are():
    encoder = load(MODELS[0])
    assert at_equal_cost([encoder, encoder], "macs", "own") == (encoder, encoder)


def test_time_is_cut_where_it_is_longer(monkeypatch):
    """Milliseconds as if they were the images' pixels: another machine's would be others."""
    monkeypatch.setattr(equal_cost, "_time", lambda encoder: encoder.image_size**2)
    small, large = load(MODELS[0], image_size=40), load(MODELS[1])
    found = at_equal_cost([small, large], "ms", "own")
    assert [encoder.image_size for encoder in found] == [40, min(40, large.image_size)]


def test_a_stopwatch_tells_large_images_from_small_ones():
    assert equal_cost._time(load(MODELS[0], image_size=256)) > equal_cost._time(load(MODELS[0], image_size=16))


def test_what_cannot_be_cut(monkeypatch):
    with pytest.raises(UsageError, match="takes images of 8 pixels only"):
        at_equal_cost([load("ViT-mini-8.emoji", image_size=16), load("resnet-mini.emoji", image_size=8)], "macs", "own")
    monkeypatch.setattr(equal_cost, "_count", lambda encoder: 1 if encoder.name == MODELS[0] else 2)
    with pytest.raises(UsageError, match=f"{MODELS[1]} costs more than {MODELS[0]} at every size"):
        at_equal_cost([load(name) for name in MODELS], "macs", "own")
    with pytest.raises(UsageError, match="equal must be one of macs, ms, not 'watts'"):
        compare(MODELS, "emoji", equal="watts")
    with pytest.raises(UsageError, match="Leave out one"):
        compare(MODELS, "emoji", equal="macs", resolution=32)


def test_the_budget_stands_in_the_command_and_its_sizes_in_the_protocol(folder, tmp_path):
    compare(MODELS, folder, tmp_path / "out", equal="macs", views=["mirror"], measures=["found_again"])
    protocol = load_study(tmp_path / "out").protocol
    assert "--equal macs" in protocol["command"]
    costs = [macs_at(model["name"], model["image_size"]) for model in protocol["models"]]
    assert [model["macs"] for model in protocol["models"]] == costs
    assert max(costs) == min(macs_at(name, load(name).image_size) for name in MODELS)
    assert "Input, px" in (tmp_path / "out" / "report.html").read_text("utf-8")
