"""What a CLIP's projection reads: the very tensor, whichever engine, view or cache it comes by."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from visavis.data.views import parse_view
from visavis.engine.embed import embed, embed_features
from visavis.engine.engines.choose import open_engine
from visavis.engine.engines.engine import missing_package
from visavis.engine.engines.lean import lean_tower

CLEAN = parse_view("clean")
CLIPS = {"clip-resnet": 4 * 32, "clip-vit": 16}


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def read_by_projection(encoder, pixels) -> torch.Tensor:
    """What enters the last linear map of an ordinary forward pass."""
    visual, seen = encoder.model.visual, []
    if hasattr(visual, "attnpool"):
        hook = visual.attnpool.c_proj.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    else:
        hook = visual.ln_post.register_forward_hook(lambda module, given, out: seen.append(out))
    with torch.inference_mode():
        encoder.model.encode_image(pixels)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("family", CLIPS)
def test_features_are_what_the_last_linear_map_reads(make, pixels, family):
    encoder = make(family)
    features = encoder.feature_network.encode(pixels)
    assert features.shape == (3, CLIPS[family]) == (3, encoder.feature_dim)
    torch.testing.assert_close(features, read_by_projection(encoder, pixels), atol=1e-5, rtol=1e-5)
    projected = encoder.project(features.numpy())
    np.testing.assert_allclose(projected, encoder.encode_pixels(pixels).numpy(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", ["supervised-resnet", "supervised-vit"])
def test_without_a_projection_the_vectors_are_the_features(make, pixels, family):
    encoder = make(family)
    assert encoder.feature_dim == encoder.embed_dim
    vectors = encoder.encode_pixels(pixels).numpy()
    assert encoder.project(vectors) is vectors
    assert encoder.feature_network.fingerprint() == encoder.network.fingerprint()


@pytest.mark.parametrize("family", CLIPS)
@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_engines_stop_before_the_projection(make, pixels, tmp_path, family, name):
    if missing_package(name):
        pytest.skip(f"{missing_package(name)} is not installed")
    encoder = make(family)
    features = open_engine(name, encoder.feature_network, tmp_path, lambda _: pixels).encode(pixels)
    torch.testing.assert_close(features, encoder.feature_network.encode(pixels), atol=1e-4, rtol=1e-4)
    assert encoder.feature_network.fingerprint() != encoder.network.fingerprint()  # exported to files of their own


@pytest.mark.parametrize("family", CLIPS)
def test_a_lean_tower_ends_where_its_network_does(make, pixels, family):
    encoder = make(family)
    with torch.inference_mode():
        assert lean_tower(encoder.feature_network)(pixels).shape[1] == encoder.feature_dim
        assert lean_tower(encoder.network)(pixels).shape[1] == encoder.embed_dim


def test_embeddings_are_projected_features_that_were_kept(encoder, samples, tmp_path):
    features = embed_features(encoder, samples, CLEAN, tmp_path)
    kept = {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("*.float32")}
    vectors = embed(encoder, samples, CLEAN, tmp_path)
    assert features.shape == (len(samples), encoder.feature_dim)
    assert vectors.tobytes() == encoder.project(features).tobytes()
    assert kept == {file.name: file.stat().st_mtime_ns for file in tmp_path.rglob("*.float32")}
