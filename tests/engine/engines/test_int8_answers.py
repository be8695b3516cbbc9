"""Do the embedded models answer alike in int8? On every third of all embedded emoji, 1,490 images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from visavis.data.read import read_dataset
from visavis.engine.engines.choose import open_engine
from visavis.engine.engines.processor import byte_products
from visavis.engine.load import load
from visavis.engine.pictures import read_picture
from visavis.zoo.catalogue import EMBEDDED

# Of all 4,468 images OpenVINO's int8 keeps 99.1 to 99.6% of the answers (benchmarks/int8.py); less three standard
# errors of a third of them.
LEAST = 0.991 - 3 * (0.991 * 0.009 / 1490) ** 0.5


@pytest.mark.skipif(byte_products() == "plain", reason="the processor has no VNNI, so int8 has seven bits")
@pytest.mark.filterwarnings("ignore::visavis.errors.TextsCut")  # of 2,990 prompts 15 are longer than the context
@pytest.mark.parametrize("name", EMBEDDED)
def test_openvinos_int8_keeps_the_answers(name, tmp_path: Path):
    dataset = read_dataset("emoji-all")
    encoder = load(name)
    images = torch.stack([encoder.preprocess(read_picture(sample)) for sample in dataset.samples[::3]])
    exact = open_engine("torch", encoder.feature_network, tmp_path, lambda most: images[:most])
    near = open_engine("openvino-int8", encoder.feature_network, tmp_path, lambda most: images[:: len(images) // most])
    if encoder.has_text:
        names = [name.replace("_", " ") for name in dataset.classes]
        weight, bias = encoder.zero_shot_classifier(names, list(dataset.templates) or None), 0.0
    else:
        assert encoder.head is not None
        weight, bias = encoder.head
    answers = [
        (encoder.project(torch.cat([engine.encode(batch) for batch in images.split(128)]).numpy()) @ weight.T + bias)
        .argmax(axis=1)
        for engine in (exact, near)
    ]  # fmt: skip
    assert (answers[0] == answers[1]).mean() >= LEAST
