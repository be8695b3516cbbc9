"""What the adapters' tests share: pictures, small networks as their libraries save them, and the comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import open_clip
import tokenizers
import torch
import transformers
from comparing import TOLERANCE, assert_close, randomised, relative_gap
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.load import load
from visavis.inspection.cost import count_macs, count_params, peak_memory_mib

# Margins of 0 to 3 pixels beside 48 and 64, portrait and landscape, smaller and larger than any input.
SIZES = [(64, 64), (67, 64), (48, 51), (49, 48), (50, 48), (300, 231), (37, 90), (231, 300)]
PIXELS = 1e-5  # one step of 255 is at least 200 times as much, whatever the deviation
TEXTS = ["a photo of a dog", "", "an emoji of a red apple, seen from above", "x " * 100, "two dogs"]
WORDS = ("a", "photo", "of", "dog", "an", "emoji", "red", "apple", "x", "two", "dogs")
CLASSES = {0: "apple", 1: "pear", 2: "plum", 3: "fig", 4: "kiwi"}
TEXT_SETTINGS = {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
TOWERS: dict[str, dict[str, Any]] = {
    "clip-vit": {"vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}},
    "clip-resnet": {"vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8}, "quick_gelu": True},
    "clip-other": {"vision_cfg": {"image_size": 64, "timm_model_name": "test_convnext", "timm_proj": "linear"}},
}

VIT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
SMALL_VIT = {**VIT, "image_size": 48, "patch_size": 16}
TO_48 = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}


def made_images() -> list[Image.Image]:
    """Blots of colour under noise, on which another filter or crop would show."""
    random = np.random.default_rng(7)
    made = []
    for size in SIZES:
        blots = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size)
        grain = random.integers(-40, 40, (size[1], size[0], 3))
        made.append(Image.fromarray(np.clip(np.asarray(blots) + grain, 0, 255).astype(np.uint8)))
    return made


def compare(
    encoder: Encoder, images: list[Image.Image], transform: Callable[[Image.Image], Tensor], encode: Callable
) -> None:
    """Pixels and vectors, ours through `encoder`, theirs through the library's transform and network."""
    theirs = torch.stack([transform(image) for image in images])
    ours = torch.stack([encoder.preprocess(image) for image in images])
    torch.testing.assert_close(ours, theirs, atol=PIXELS, rtol=0)
    vectors = encoder.encode_images(images)
    assert vectors.shape == (len(images), encoder.embed_dim)
    assert vectors.dtype == np.float32
    with torch.inference_mode():
        assert_close(torch.from_numpy(vectors), encode(theirs))
    assert not encoder.model.training
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())
    again = load(encoder.name)
    assert again.fingerprint == encoder.fingerprint
    assert count_macs(encoder.image_tower, encoder.image_size) > 1e5  # no network here has fewer
    weights_mib = count_params(encoder.image_tower) * 4 / 2**20  # float32
    assert peak_memory_mib(encoder.image_tower, lambda: encoder.encode_images(images[:1])) > weights_mib


def assert_projection(encoder: Encoder, images: list[Image.Image], feature_dim: int) -> Tensor:
    """The tower in two gives the vectors that it gives whole. Returns the features, [images, feature_dim]."""
    pixels = torch.stack([encoder.preprocess(image) for image in images])
    features = encoder.feature_network.encode(pixels)
    assert features.shape == (len(images), feature_dim)
    assert encoder.feature_dim == feature_dim
    vectors = torch.from_numpy(encoder.project(features.numpy()))
    assert relative_gap(vectors, encoder.encode_pixels(pixels)) <= TOLERANCE
    return features


def assert_head(encoder: Encoder, images: list[Image.Image], peer: Callable[[Tensor], Tensor]) -> None:
    weight, bias = encoder.head
    with torch.inference_mode():
        scores = peer(torch.stack([encoder.preprocess(image) for image in images]))
    assert relative_gap(torch.from_numpy(encoder.encode_images(images) @ weight.T + bias), scores) <= TOLERANCE


def compare_texts(encoder: Encoder, tokens: Tensor, encode: Callable[[Tensor], Tensor]) -> None:
    np.testing.assert_array_equal(encoder.tokenize(TEXTS), tokens)
    with torch.inference_mode():
        theirs = encode(tokens)
    assert relative_gap(torch.from_numpy(encoder.encode_texts(TEXTS)), theirs) <= TOLERANCE
    assert relative_gap(torch.from_numpy(encoder.encode_texts(TEXTS, batch_size=2)), theirs) <= TOLERANCE
    assert relative_gap(torch.from_numpy(encoder.encode_texts(TEXTS[:1])), theirs[:1]) <= TOLERANCE  # alone: short
    assert relative_gap(theirs[1:], theirs[:-1]) > 10 * TOLERANCE


def saved_open_clip(folder: Path, settings: dict[str, Any], preprocess: dict[str, Any]) -> Any:
    """A pair of towers in a folder as open_clip publishes them."""
    settings = {"embed_dim": 24, "text_cfg": TEXT_SETTINGS, **settings}
    preprocess = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), **preprocess}
    written = {"model_cfg": settings, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    peer = randomised(open_clip.create_model(f"local-dir:{folder}", load_weights=False)).requires_grad_(False)
    save_file(
        {name: tensor.contiguous() for name, tensor in peer.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return peer


def words_tokenizer(length: int) -> transformers.PreTrainedTokenizerFast:
    """One token a word; padding is token 0, the end token 1, so that the highest of a text is any of its words."""
    vocabulary = {"[PAD]": 0, "[END]": 1, "[UNK]": 2, **{word: 3 + number for number, word in enumerate(WORDS)}}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.post_processor = tokenizers.processors.TemplateProcessing(single="$A [END]", special_tokens=[("[END]", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="[PAD]", eos_token="[END]", unk_token="[UNK]", model_max_length=length
    )


def hugging_face_pair(kind: str, folder: Path, clip_tokens: ModuleType) -> tuple[Any, Any, Any]:
    """CLIP or SigLIP with tokenizer and image processor, saved."""
    t = transformers
    if kind == "clip":
        peer = t.CLIPModel(
            t.CLIPConfig(
                text_config={**VIT, "vocab_size": 49408, "max_position_embeddings": 24},
                vision_config=SMALL_VIT,
                projection_dim=24,
            )
        )
        bpe = clip_tokens.SimpleTokenizer()
        tokenizer = t.CLIPTokenizer(vocab=bpe.encoder, merges=list(bpe.bpe_ranks))
        processor = t.CLIPImageProcessorPil(**TO_48)
    else:
        text = {**VIT, "vocab_size": 32, "max_position_embeddings": 16, "pad_token_id": 0, "eos_token_id": 1}
        peer = t.SiglipModel(t.SiglipConfig(text_config={**text, "bos_token_id": 1}, vision_config=SMALL_VIT))
        tokenizer = words_tokenizer(16)
        processor = t.SiglipImageProcessorPil(size={"height": 48, "width": 48})
    randomised(peer).requires_grad_(False)
    for part in (peer, tokenizer, processor):
        part.save_pretrained(folder)
    return peer, tokenizer, processor


def transform_of(processor: Any) -> Callable[[Image.Image], Tensor]:
    return lambda image: processor(images=image, return_tensors="pt")["pixel_values"][0]
