"""The tokenizer against the living ones: OpenAI's, open_clip's, and transformers'."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

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


def test_transformers(openai_tokenizer, plain_texts):
    """This peer has no clean-up of its own, so it is given cleaned texts.

    Its pattern heeds case, which shows in two characters that have a lower-case letter as their other case.
    """
    theirs = CLIPTokenizer(vocab=openai_tokenizer.encoder, merges=list(openai_tokenizer.bpe_ranks))
    assert len(theirs) == CLIP_VOCAB_SIZE
    texts = [text for text in plain_texts if "'\u017f" not in clean(text) and "\u0345" not in clean(text)]
    assert len(texts) > 6000
    expected = theirs([clean(text) for text in texts], add_special_tokens=False)["input_ids"]
    ours = Tokenizer()
    assert [text for text, tokens in zip(texts, expected, strict=True) if ours.encode(text) != tokens] == []
