"""Search by counting: vectors whose answers are known beforehand."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.errors import TextsCut
from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.retrieval import retrieval

N = 40
TRUTH = np.arange(N) % 4


def reader(name, texts):
    """A model whose text vectors are known by their number."""

    def encode_texts(asked):
        return np.stack([texts[int(text.split()[-1])] for text in asked])

    return SimpleNamespace(name=name, has_text=True, encode_texts=encode_texts)


def material_with(vectors, texts, *, captions=True, groups=()):
    """Images with two captions each; `vectors` and `texts` by model."""
    made = make_material({("zero_shot", name): draw_probabilities(TRUTH, 4, skill=2) for name in vectors}, TRUTH)
    samples = tuple(
        replace(
            sample,
            data=bytes([place]),
            captions=(f"caption {2 * place}", f"caption {2 * place + 1}") if captions else (),
            group=groups[place] if groups else "",
        )
        for place, sample in enumerate(made.plan.dataset.samples)
    )
    encoders = tuple(
        reader(name, texts[name]) if name in texts else SimpleNamespace(name=name, has_text=False) for name in vectors
    )
    plan = replace(made.plan, dataset=replace(made.plan.dataset, samples=samples), encoders=encoders)
    return replace(made, plan=plan, embed=lambda encoder, asked, view: vectors[encoder.name])


@pytest.fixture(scope="module")
def written():
    """Of A every caption is its image's own vector; of B those of every second image are the next image's."""
    images = np.eye(N, dtype=np.float32)
    own = np.repeat(images, 2, axis=0)
    shifted = np.repeat(np.where(np.arange(N)[:, None] % 2 == 0, np.roll(images, -1, axis=0), images), 2, axis=0)
    vectors = {"A": images, "B": images, "C": images}
    return retrieval(material_with(vectors, {"A": own, "B": shifted}))


def cell(written, direction, model, metric):
    table = written.tables["retrieval"].set_index(["direction", "model", "metric"])
    return table.loc[(direction, model, metric)]


def test_texts_find_images(written):
    assert "retrieval_cut" not in written.tables
    assert cell(written, "text_to_image", "A", "recall@1")["value"] == 1.0
    row = cell(written, "text_to_image", "B", "recall@1")
    assert (row["value"], row["n"], row["gallery"]) == (0.5, 2 * N, N)
    assert row["low"] < 0.5 < row["high"]
    assert cell(written, "text_to_image", "A", "median_rank")["value"] == 1


def test_images_find_any_of_their_texts(written):
    assert cell(written, "image_to_text", "A", "map")["value"] == pytest.approx(1.0)
    row = cell(written, "image_to_text", "B", "recall@1")
    assert (row["value"], row["n"], row["gallery"]) == (0.0, N, 2 * N)  # its own text, if any, is level with two others


def test_models_without_a_text_tower_search_among_images_alone(written):
    table = written.tables["retrieval"]
    assert set(table.loc[table["model"] == "C", "direction"]) == {"image_to_image"}


def test_the_difference_is_tested_over_images(written):
    pairs = written.tables["retrieval_pairs"]
    row = pairs[pairs["direction"] == "text_to_image"].iloc[0]
    assert (row["model_a"], row["model_b"], row["difference"]) == ("A", "B", 0.5)
    assert row["verdict"] == "A better"
    # 20 images with both their captions lost, none won: the sign test's 2 / 2 ** 20, not that of 40 texts
    assert row["p_value"] == pytest.approx(2 / 2**20)
    assert written.headline.startswith("With A 100.0%")
    assert written.says[0].startswith("To search, with A 100.0%")


def test_a_model_whose_vectors_are_no_numbers_leaves_the_others():
    images = np.eye(N, dtype=np.float32)
    own = np.repeat(images, 2, axis=0)
    written = retrieval(material_with({"A": images, "B": images * np.nan}, {"A": own, "B": own}))
    assert set(written.tables["retrieval"]["model"]) == {"A"}


def test_texts_that_a_model_cuts_are_noted():
    """As A reads them whole, and B not."""
    images = np.eye(N, dtype=np.float32)
    made = material_with({"A": images, "B": images}, dict.fromkeys("AB", np.repeat(images, 2, axis=0)))
    short = made.plan.encoders[1]

    def cutting(asked, whole=short.encode_texts):
        warnings.warn("3 of 80 texts are longer than 24 tokens.", TextsCut, stacklevel=2)
        return whole(asked)

    short.encode_texts = cutting
    assert retrieval(made).tables["retrieval_cut"].to_dict("records") == [
        {"model": "B", "note": "3 of 80 texts are longer than 24 tokens."}
    ]


def test_images_find_their_class():
    classes = np.eye(4, dtype=np.float32)[TRUTH]
    noise = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
    written = retrieval(material_with({"A": classes + 0.01 * noise, "B": noise}, {}, captions=False))
    assert cell(written, "image_to_image", "A", "recall@1")["value"] == 1.0
    assert cell(written, "image_to_image", "A", "map")["value"] == pytest.approx(1.0)
    assert cell(written, "image_to_image", "B", "recall@1")["value"] < 0.7
    assert written.says == ()


def test_an_image_of_the_same_group_is_no_find():
    """Two frames a video, nearly alike; videos of a class have nothing in common."""
    videos = np.arange(N) // 8 * 4 + TRUTH  # of one class each, two frames
    noise = np.random.default_rng(0).normal(size=(N, N)).astype(np.float32)
    vectors = np.eye(N, dtype=np.float32)[videos] + 0.01 * noise
    groups = [f"video {number}" for number in videos]
    apart = retrieval(material_with({"A": vectors}, {}, captions=False, groups=groups))
    assert cell(apart, "image_to_image", "A", "recall@1")["value"] < 0.5
    alone = retrieval(material_with({"A": vectors}, {}, captions=False))
    assert cell(alone, "image_to_image", "A", "recall@1")["value"] == 1.0


def test_a_group_that_is_a_class_is_what_is_sought():
    vectors = np.eye(4, dtype=np.float32)[TRUTH]
    vectors = vectors + 0.01 * np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)
    groups = [f"thing {label}" for label in TRUTH]
    found = retrieval(material_with({"A": vectors}, {}, captions=False, groups=groups))
    assert cell(found, "image_to_image", "A", "recall@1")["value"] == 1.0


def test_nothing_to_search_for():
    made = material_with({"A": np.eye(N, dtype=np.float32)}, {}, captions=False)
    alone = tuple(replace(sample, label=f"class {place}") for place, sample in enumerate(made.plan.dataset.samples))
    plan = replace(made.plan, dataset=replace(made.plan.dataset, samples=alone))
    with pytest.raises(NotMeasurable, match="captions, or classes with two test images"):
        retrieval(replace(made, plan=plan))
