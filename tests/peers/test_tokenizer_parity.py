"""The tokenizer against the living ones: OpenAI's, open_clip's, and transformers'."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from comparing import TOLERANCE, randomised, relative_gap
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from visavis.engine.load import load
from visavis.errors import TextsCut
from visavis.zoo.tokenizer import CLIP_VOCAB_SIZE, Tokenizer, clean

GOLDENS = Path(__file__).parents[1] / "zoo" / "goldens" / "clip_tokens.json.gz"

# Each peer reads the names of its own two special tokens as those tokens, and open_clip spells them otherwise.
SPECIAL_NAMES = ("<|startoftext|>", "<|endoftext|>", "<start_of_text>", "<end_of_text>")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return json.loads(gzip.decompress(GOLDENS.read_bytes()))["texts"]


@pytest.fixture(scope="module")
def plain_texts(texts: list[str]) -> list[str]:
    return [text for text in texts if not any(name in clean(text).casefold() for name in SPECIAL_NAMES)]


@pytest.fixture(scope="module")
def openai_tokenizer(openai_tokenizer_module: ModuleType) -> Any:
    return openai_tokenizer_module.SimpleTokenizer()


def test_openai_on_the_goldens_texts(openai_tokenizer, texts):
    ours = Tokenizer()
    assert [text for text in texts if ours.encode(text) != openai_tokenizer.encode(text)] == []


@given(text=st.text(max_size=200))
def test_openai_on_any_text(openai_tokenizer, text):
    assert Tokenizer().encode(text) == openai_tokenizer.encode(text)


def test_open_clip_rows(plain_texts):
    """Start and end token, padding and truncation too: whole rows are compared."""
    theirs = open_clip.SimpleTokenizer()
    for context_length in (77, 8):
        ours = Tokenizer(context_length=context_length)
        expected = theirs(plain_texts, context_length=context_length).numpy()
        different = (ours(plain_texts) != expected).any(axis=1)  # [texts]
        assert [text for text, differs in zip(plain_texts, different, strict=True) if differs] == []


@pytest.fixture(scope="module")
def transformers_tokenizer(openai_tokenizer) -> CLIPTokenizer:
    return CLIPTokenizer(vocab=openai_tokenizer.encoder, merges=list(openai_tokenizer.bpe_ranks))


@pytest.fixture(scope="module")
def shared_texts(plain_texts: list[str]) -> list[str]:
    """Texts that transformers tokenizes alike once they are cleaned, for which it has nothing of its own.

    Its pattern heeds case, which shows in two characters that have a lower-case letter as their other case.
    """
    return [text for text in plain_texts if "'\u017f" not in clean(text) and "\u0345" not in clean(text)]


def test_transformers(transformers_tokenizer, shared_texts):
    assert len(transformers_tokenizer) == CLIP_VOCAB_SIZE
    assert len(shared_texts) > 6000
    expected = transformers_tokenizer([clean(text) for text in shared_texts], add_special_tokens=False)["input_ids"]
    ours = Tokenizer()
    assert [text for text, tokens in zip(shared_texts, expected, strict=True) if ours.encode(text) != tokens] == []


@pytest.mark.parametrize("context_length", [77, 8])
def test_transformers_rows(transformers_tokenizer, shared_texts, context_length):
    """Start, end and truncation alike; behind the end it repeats the end token, where all others write 0."""
    settings = {"padding": "max_length", "truncation": True, "max_length": context_length}
    cleaned = [clean(text) for text in shared_texts]
    theirs = np.asarray(transformers_tokenizer(cleaned, **settings)["input_ids"])  # [texts, context_length]
    ours = Tokenizer(context_length=context_length)(shared_texts)
    behind_the_end = np.arange(context_length) > ours.argmax(axis=1)[:, None]
    assert (ours[behind_the_end] == 0).all()
    assert (theirs[behind_the_end] == CLIP_VOCAB_SIZE - 1).all()
    different = ((ours != theirs) & ~behind_the_end).any(axis=1)
    assert [text for text, differs in zip(shared_texts, different, strict=True) if differs] == []


@pytest.mark.parametrize("end_token", [2, CLIP_VOCAB_SIZE - 1])  # as files of before 2023 name it, and since
def test_texts_of_transformers_get_the_same_vectors(transformers_tokenizer, shared_texts, end_token, tmp_path):
    """Whatever it writes behind the end, and by whichever rule it finds the end: each library with its own tokens."""
    small = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    described = CLIPConfig(
        text_config={**small, "eos_token_id": end_token, "bos_token_id": CLIP_VOCAB_SIZE - 2},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    torch.manual_seed(3)
    peer = randomised(CLIPModel(described))
    peer.save_pretrained(tmp_path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(tmp_path)
    texts = [*shared_texts[::100], "", "x " * 100]
    with pytest.warns(TextsCut, match="1 of 65 texts are longer than 77 tokens"):
        ours = torch.from_numpy(load(tmp_path).encode_texts(texts))
    settings = {"padding": "max_length", "truncation": True, "max_length": 77, "return_tensors": "pt"}
    tokens = transformers_tokenizer([clean(text) for text in texts], **settings)
    with torch.inference_mode():
        theirs = peer.get_text_features(tokens["input_ids"]).pooler_output
    assert relative_gap(theirs[1:], theirs[:-1]) > 100 * TOLERANCE
    assert relative_gap(ours, theirs) < TOLERANCE
