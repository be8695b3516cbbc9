"""The estimate counts what the cache lacks, and says nothing of time where nothing is to be done."""

from __future__ import annotations

from visavis.data.read import read_dataset
from visavis.data.splits import split
from visavis.data.views import parse_view
from visavis.engine.embed import embed
from visavis.engine.load import load
from visavis.study.estimate import Estimate, estimate
from visavis.study.plan import Plan


def test_what_is_cached_is_not_counted(models, photos, tmp_path):
    encoders = tuple(load(name) for name in (models.vit, models.resnet))
    parted = split(read_dataset(photos), test_fraction=0.5, seed=0)  # 24 and 24 images
    views = tuple(parse_view(name) for name in ("clean", "grayscale"))
    plan = Plan(encoders=encoders, dataset=parted, classes=parted.classes, views=views, templates=("{}",), seed=0)
    before = estimate(plan, tmp_path)
    assert (before.missing, before.kept) == (2 * 3 * 24, 0)
    assert before.seconds > 0
    embed(encoders[0], plan.part("test"), views[1], tmp_path)
    embed(encoders[0], plan.part("train"), views[0], tmp_path)
    after = estimate(plan, tmp_path)
    assert (after.missing, after.kept) == (4 * 24, 2 * 24)
    for encoder in encoders:
        for part, view in (("train", views[0]), ("test", views[0]), ("test", views[1])):
            embed(encoder, plan.part(part), view, tmp_path)
    assert estimate(plan, tmp_path) == Estimate(missing=0, kept=144, seconds=0.0)


def test_its_words():
    assert (
        Estimate(missing=12_000, kept=0, seconds=620.0)
        .in_words()
        .startswith("Encoding takes about 10 min: 12,000 images, of all models and views together. ")
    )
    assert "; 1,024 vectors are kept from before." in Estimate(missing=1, kept=1024, seconds=0.01).in_words()
    assert Estimate(missing=0, kept=144, seconds=0).in_words().startswith("All 144 vectors are kept")
