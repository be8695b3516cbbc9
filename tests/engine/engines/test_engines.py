"""Every engine against PyTorch, on networks small enough to be exported in a second."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visavis.engine.engines import choose, int8, quantize
from visavis.engine.engines.choose import choose_engine, exported, open_engine
from visavis.engine.engines.engine import EXACT, NARROW, check_engine
from visavis.engine.engines.network import Network
from visavis.engine.engines.onnx_file import TOLERANCE
from visavis.errors import UsageError, VisavisError
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import build_model
from visavis.zoo.preprocess import Preprocess

SIDE = 32
CONFIGS = {
    "resnet": ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), width=8, image_size=SIDE, num_classes=3),
    "vit": ViTConfig(image_size=SIDE, patch_size=8, width=32, layers=2, heads=2, num_classes=3),
}


def network_of(model: nn.Module, encode, name: str = "mine") -> Network:
    return Network(
        name=name,
        model=model,
        encode=torch.inference_mode()(encode),
        preprocess=Preprocess(image_size=SIDE, resize=SIDE),
        settings=name,
        fingerprint=lambda: name,
        about={"license": "MIT"},
    )


@pytest.fixture(scope="module", params=CONFIGS)
def network(request) -> Network:
    model = build_model(CONFIGS[request.param], seed=0).eval().requires_grad_(False)
    return network_of(model, model.features, request.param)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


def images(n: int, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", EXACT)
def test_exact_engines_agree_at_every_batch_size(network, cache, name):
    engine = open_engine(name, network, cache, images)
    for n in (1, 2, 5):
        wanted = network.encode(images(n, seed=n))
        found = engine.encode(images(n, seed=n))
        assert found.dtype == torch.float32
        assert float((found - wanted).abs().max() / wanted.abs().max()) <= TOLERANCE
    assert engine.identity.endswith("-float32")


@pytest.mark.parametrize("name", NARROW)
def test_narrow_engines_are_near(network, cache, name):
    engine = open_engine(name, network, cache, images)
    wanted, found = network.encode(images(20)), engine.encode(images(20))
    assert found.dtype == torch.float32
    least = 0.999 if name.endswith("bf16") else 0.97
    assert float(F.cosine_similarity(wanted, found).min()) > least
    assert "float32" not in engine.identity


def nearest_to(own: int, vectors: torch.Tensor) -> int:
    others = set(range(len(vectors))) - {own}
    return max(others, key=lambda other: float(F.cosine_similarity(vectors[own], vectors[other], dim=0)))


def test_int8_says_how_near_it_is_on_images_that_did_not_calibrate(network, cache):
    engine = open_engine("onnx-int8", network, cache, lambda n: images(12, seed=3))
    held_out = images(12, seed=3)[1::2]
    wanted, found = network.encode(held_out), engine.encode(held_out)
    cosines = F.cosine_similarity(wanted, found)
    nearest = [
        [
            max(set(range(6)) - {own}, key=lambda other: F.cosine_similarity(rows[own], rows[other], dim=0))
            for own in range(6)
        ]
        for rows in (wanted, found)
    ]
    same = sum(one == other for one, other in zip(*nearest, strict=True)) / 6
    assert engine.said == (
        f"cosine {float(cosines.mean()):.5f} on average, {float(cosines.min()):.5f} at least, the same nearest image "
        f"for {100 * same:.1f}%, on 6 of the images"
    )
    (record,) = (path for path in cache.glob("onnx/*.json") if json.loads(path.read_text())["n_images"] == 6)
    assert json.loads(record.read_text())["mean"] == pytest.approx(float(cosines.mean()), abs=1e-6)
    record.unlink()


def test_int8_needs_images(network, cache):
    with pytest.raises(UsageError, match="at least 4, not 3"):
        open_engine("onnx-int8", network, cache, lambda n: images(3))


@pytest.mark.parametrize("spoilt", [torch.zeros_like, lambda vectors: vectors * torch.nan, torch.neg])
def test_int8_that_spoils_a_network_is_refused(network, tmp_path, monkeypatch, spoilt):
    monkeypatch.setattr(int8, "open_session", lambda path: lambda pixels: spoilt(network.encode(pixels)))
    with pytest.raises(VisavisError, match=r"int8 spoils .* Use an engine with wider numbers"):
        open_engine("onnx-int8", network, tmp_path, images)


@pytest.mark.parametrize("name", ["onnx-int8", "openvino-int8"])
def test_pixels_with_nan_do_not_calibrate(network, tmp_path, name):
    with pytest.raises(UsageError, match=r"Image 0, counted from 0, has pixels that are NaN .* 8 of the 8"):
        open_engine(name, network, tmp_path, lambda n: torch.full((8, 3, SIDE, SIDE), torch.nan))


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_layer_that_reads_pixels_stays_float(tmp_path, runtime):
    model = build_model(CONFIGS["resnet"], seed=0).eval().requires_grad_(False)
    open_engine(f"{runtime}-int8", network_of(model, model.features), tmp_path, images)
    (path,) = tmp_path.glob(f"onnx/*.int8-{runtime}-*.onnx")
    graph = onnx.load(path).graph
    assert "Conv" in {node.op_type for node in graph.node if "images" in node.input}
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)


@pytest.mark.parametrize("processor", ["amx", "plain"])
def test_with_scales_from_calibration_a_transformer_rounds_what_norms_give(tmp_path, monkeypatch, processor):
    monkeypatch.setattr(quantize, "byte_products", lambda: processor)
    graph = int8_graph_of_a_vit(tmp_path)
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    rounded = {made_by.get(node.input[0]) for node in graph.node if node.op_type == "QuantizeLinear"}
    assert rounded == {"LayerNormalization"}


def test_with_vnni_openvino_rounds_a_transformers_activations_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "byte_products", lambda: "vnni")
    graph = int8_graph_of_a_vit(tmp_path)
    assert not any(node.op_type == "QuantizeLinear" for node in graph.node)
    products = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(products) == 4 * CONFIGS["vit"].layers + 1  # in the last block queries apart


def int8_graph_of_a_vit(folder: Path) -> onnx.GraphProto:
    """As OpenVINO would run it."""
    model = build_model(CONFIGS["vit"], seed=0).eval().requires_grad_(False)
    source, path = exported(network_of(model, model.features), folder), folder / "int8.onnx"
    quantize.quantize(source, path, "openvino", images(8).split(4), convolutions=False)
    return onnx.load(path).graph


def test_an_export_is_kept_and_carries_what_it_is(network, cache):
    path = exported(network, cache)
    before = path.stat().st_mtime_ns
    assert exported(network, cache) == path
    assert path.stat().st_mtime_ns == before
    facts = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    assert json.loads(facts["preprocess"])["image_size"] == SIDE
    assert json.loads(facts["about"]) == {"license": "MIT"}


def test_a_damaged_export_is_written_again(network, tmp_path):
    path = exported(network, tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-4000] + bytes(4000)):
        path.write_bytes(damaged)
        engine = open_engine("onnx", network, tmp_path, images)
        np.testing.assert_allclose(engine.encode(images(2)), network.encode(images(2)), rtol=1e-3, atol=1e-4)


class Fickle(nn.Module):
    """Computes something else where it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        factor = 1.0 if torch.compiler.is_exporting() else 2.0
        return x.mean((2, 3)) * self.weight * factor


class Branching(nn.Module):
    """Decides by what it sees."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if float(x.sum()) > 0 else -x.mean((2, 3))


def test_an_export_that_disagrees_is_refused(tmp_path):
    with pytest.raises(VisavisError, match="differs from PyTorch's by"):
        exported(network_of(model := Fickle(), model.forward), tmp_path)
    assert not list(tmp_path.glob("onnx/*.onnx"))


def test_a_network_that_cannot_be_traced(tmp_path):
    with pytest.raises(VisavisError, match=r"cannot be exported to ONNX .* Use the engine 'torch'"):
        exported(network_of(model := Branching(), model.forward), tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("onxx", "Did you mean onnx"), ("", "Known are auto, torch, onnx"), ("int8", "no engine 'int8'")],
)
def test_unknown_engines(name, words):
    with pytest.raises(UsageError, match=words):
        check_engine(name)


def test_a_missing_library_gives_the_pip_line(monkeypatch):
    from visavis.engine.engines import engine

    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(UsageError, match=r"needs openvino, which is not installed. Run: pip install openvino"):
        check_engine("openvino-int8")
    check_engine("onnx")


@dataclass
class Clock:
    """Time as the test says: each engine takes its own number of seconds."""

    seconds: dict[str, float] = field(default_factory=dict)
    runs: int = 0


@pytest.fixture
def timed(monkeypatch) -> Clock:
    clock = Clock()

    def seconds(encode, _) -> float:
        clock.runs += 1
        return clock.seconds[getattr(encode, "name", "torch")]

    def opened(name, network, cache, examples):
        def encode(images: Tensor) -> Tensor:
            return network.encode(images)

        encode.name = name  # type: ignore[attr-defined]
        return choose.Engine(name=name, identity=name, encode=encode, said="as asked")

    monkeypatch.setattr(choose, "_seconds", seconds)
    monkeypatch.setattr(choose, "open_engine", opened)
    return clock


def test_auto_takes_the_quickest_and_remembers_it(network, timed, tmp_path):
    timed.seconds = {"torch": 8.0, "onnx": 2.0, "openvino": 4.0}
    engine = choose_engine(network, 10_000, tmp_path, images)
    assert engine.name == "onnx"
    assert engine.said == "the quickest here, in images/s: torch 4.0, onnx 16.0, openvino 8.0"
    measured = timed.runs
    assert choose_engine(network, 64, tmp_path, images).name == "onnx"
    assert timed.runs == measured


def test_auto_measures_nothing_for_little_work(network, timed, tmp_path):
    timed.seconds = {"torch": 0.1, "onnx": 0.01, "openvino": 0.01}
    engine = choose_engine(network, 31, tmp_path, images)
    assert (engine.name, timed.runs) == ("torch", 0)
    engine = choose_engine(network, 1000, tmp_path, images)  # 1,000 images take 3 s
    assert (engine.name, timed.runs) == ("torch", 1)
    assert "3 s of work" in engine.said
    assert not list(tmp_path.rglob("*.json"))


def test_a_choice_that_cannot_be_read_is_made_again(network, timed, tmp_path):
    timed.seconds = {"torch": 8.0, "onnx": 2.0, "openvino": 4.0}
    choose_engine(network, 10_000, tmp_path, images)
    (record,) = tmp_path.rglob("*.json")
    for content in ("", "[]", '{"name": "rm"}', '{"name": "onnx", "said": 3}'):
        record.write_text(content)
        assert choose_engine(network, 10_000, tmp_path, images).name == "onnx"


def test_auto_stays_with_torch_where_nothing_can_be_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "WORTH_MEASURING", 0.0)
    engine = choose_engine(network_of(model := Branching(), model.forward), 100, tmp_path, images)
    assert engine.name == "torch"
    assert "cannot be exported" in engine.said


def test_a_clip_resnet_with_its_attention_pooling(tmp_path):
    config = CLIPResNetConfig(layers=(1, 1, 1, 1), width=8, image_size=SIDE, embed_dim=16)
    from visavis.models.clip_resnet import CLIPResNet

    model = CLIPResNet(config)
    generator = torch.Generator().manual_seed(0)
    model.init_weights(generator)
    model.eval().requires_grad_(False)
    engine = open_engine("onnx", network_of(model, model.forward), tmp_path, images)
    np.testing.assert_allclose(engine.encode(images(3)), model(images(3)), rtol=1e-3, atol=1e-4)
