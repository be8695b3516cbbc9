"""Which texts are right for which images, and what images without labels are asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tiny_encoders import make_encoder
from visavis.data.dataset import Dataset, Sample
from visavis.errors import UsageError
from visavis.evaluate.scores import NotMeasurable
from visavis.study.captions import caption_decisions, captioned, encode_captions, require_choice

SAMPLES = (
    Sample(id="a", name="a", data=b"one", captions=("a red  car", "a car")),
    Sample(id="b", name="b", data=b"two", captions=("a car",)),
    Sample(id="c", name="c", data=b"six", captions=()),
    Sample(id="d", name="d", data=b"one", captions=("a lorry",)),
)


def test_every_right_text_of_an_image_and_every_right_image_of_a_text():
    known = captioned(SAMPLES)
    assert [sample.id for sample in known.samples] == ["a", "b", "d"]
    assert known.texts == ("a red car", "a car", "a lorry")
    # "a" and "d" are the same picture, so each has the other's captions
    assert [right.tolist() for right in known.of_image] == [[0, 1, 2], [1], [0, 1, 2]]
    assert [right.tolist() for right in known.of_text] == [[0, 2], [0, 1, 2], [0, 2]]


def test_decisions_name_the_text_that_was_found():
    known = captioned(SAMPLES[:2])
    texts = np.eye(3, dtype=np.float32)[:2]  # a red car, a car
    images = np.array([[0.1, 1, 0], [1, 0.2, 0]], np.float32)
    found = caption_decisions(known, make_encoder("clip-vit"), images, texts)
    assert found["predicted"].tolist() == ["a red car", "a red car"]  # any caption of the image is its first one
    assert found["label"].tolist() == ["a red car", "a car"]
    assert found["rank"].tolist() == [1, 2]
    assert found["confidence"].between(0.5, 1).all()


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (SAMPLES[:1], "2 texts for 1 image"),
        (tuple(replace(sample, captions=("a car",)) for sample in SAMPLES), "1 text for 4 images"),
        ((SAMPLES[0], SAMPLES[3]), "3 texts for 2 images"),  # the same picture twice
    ],
)
def test_where_any_text_is_right_nothing_is_asked(samples, found):
    dataset = Dataset(name="cars", samples=tuple(replace(sample, part="test") for sample in samples))
    with pytest.raises(UsageError, match=found):
        require_choice(dataset)
    require_choice(replace(dataset, samples=(*dataset.samples, replace(SAMPLES[1], part="test", captions=("b",)))))


def test_a_model_of_labels_reads_no_captions():
    with pytest.raises(NotMeasurable, match="no text tower"):
        encode_captions(make_encoder("supervised-vit"), ["a car"])
