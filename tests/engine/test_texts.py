"""Texts through the tree of beginnings against the plain network."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import visavis
from visavis.engine import texts as module
from visavis.engine.texts import encode_tokens
from visavis.errors import TextsCut
from visavis.models.text import TextConfig, TextTransformer
from visavis.zoo.tokenizer import Tokenizer

CONTEXT, VOCAB = 16, 520
WORDS = st.lists(st.sampled_from(["a", "ab", "b", "photo", ".", "1"]), max_size=20).map(" ".join)


@pytest.fixture(scope="module")
def tower() -> TextTransformer:
    made = TextTransformer(
        TextConfig(context_length=CONTEXT, vocab_size=VOCAB, width=32, layers=3, heads=4, embed_dim=8)
    )
    made.init_weights(torch.Generator().manual_seed(0))
    return made.double().eval()  # equality is a matter of algebra: in float64 rounding hides nothing


@torch.no_grad()
def plainly(tower: TextTransformer, tokens: torch.Tensor) -> torch.Tensor:
    return tower(tokens)


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(WORDS, min_size=1, max_size=12))
def test_equals_the_padded_network(tower, texts):
    tokens = torch.from_numpy(Tokenizer(VOCAB, CONTEXT)(texts))
    torch.testing.assert_close(encode_tokens(tower, tokens), plainly(tower, tokens), rtol=1e-10, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(order=st.permutations(range(6)))
def test_order_and_company_change_nothing(tower, order):
    tokens = torch.from_numpy(Tokenizer(VOCAB, CONTEXT)(["a photo", "a photo ab", "", "b", "a b 1", "1 1 1"]))
    together = encode_tokens(tower, tokens)
    torch.testing.assert_close(encode_tokens(tower, tokens[list(order)]), together[list(order)], rtol=1e-10, atol=1e-12)
    alone = torch.cat([encode_tokens(tower, tokens[number : number + 1]) for number in range(6)])
    torch.testing.assert_close(alone, together, rtol=1e-10, atol=1e-12)


def test_over_several_trees(tower, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    tokens = torch.from_numpy(Tokenizer(VOCAB, CONTEXT)([f"a photo of {number} ab" for number in range(40)]))
    torch.testing.assert_close(encode_tokens(tower, tokens), plainly(tower, tokens), rtol=1e-10, atol=1e-12)


def test_threads_are_left_as_they_were(tower, monkeypatch):
    """Also those that begin later, which take over what was last set anywhere."""
    monkeypatch.setattr(module, "CHUNK", 7)

    def later() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads(), later()
    encode_tokens(tower, torch.from_numpy(Tokenizer(VOCAB, CONTEXT)([f"a photo of {n} ab" for n in range(40)])))
    assert (torch.get_num_threads(), later()) == before


def test_each_beginning_is_computed_once(tower):
    texts = [f"a photo of {name}" for name in ("a", "b", "a b", "a b")]
    tokens = torch.from_numpy(Tokenizer(VOCAB, CONTEXT)(texts))
    rows = []
    hook = tower.transformer.blocks()[0].mlp.register_forward_hook(lambda _, given, made: rows.append(len(given[0])))
    encode_tokens(tower, tokens)
    hook.remove()
    first = {tuple(row[: place + 1]) for row in tokens.tolist() for place in range(row.index(VOCAB - 1) + 1)}
    assert rows == [len(first)]
    assert len(first) < sum(row.index(VOCAB - 1) + 1 for row in tokens.tolist()) / 2  # or the test would test nothing


def test_what_stands_behind_the_end_is_not_looked_at(tower):
    tokens = torch.from_numpy(Tokenizer(VOCAB, CONTEXT)(["a b", "photo"]))
    filled = tokens.clone()
    for row in filled:
        row[int(row.argmax()) + 1 :] = VOCAB - 1  # as Hugging Face pads: end tokens to the last place
    torch.testing.assert_close(encode_tokens(tower, filled), encode_tokens(tower, tokens), rtol=0, atol=0)


def test_a_loaded_clip_uses_it():
    encoder = visavis.load("ViT-mini-8", weights=None)
    texts = ["a red car", "a red cat", "a red car", "🦊", ""]
    tokens = torch.from_numpy(encoder.tokenize(texts))
    plain = encoder.encode_tokens(tokens).numpy()
    np.testing.assert_allclose(encoder.encode_texts(texts), plain, rtol=0, atol=2e-6 * abs(plain).max())
    np.testing.assert_array_equal(encoder.encode_texts(texts)[0], encoder.encode_texts(texts)[2])


def test_long_texts_are_cut_counted_and_said():
    encoder = visavis.load("ViT-mini-8", weights=None)
    length = encoder.tokenize(["a"]).shape[1]
    just = " ".join(["a"] * (length - 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_texts([just, "a red car"])
    with pytest.warns(TextsCut, match=rf"^2 of 3 texts are longer than {length} tokens.*begins with 'a a a") as told:
        vectors = encoder.encode_texts([f"{just} a", "a red car", f"{just} b"])
    assert len(told) == 1
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_the_command_says_so_too(visavis, tmp_path):
    Image.new("RGB", (70, 70), "teal").save(tmp_path / "a.png")
    called = visavis("classify", "ViT-mini-8.emoji", tmp_path / "a.png", "--labels", f"fox,{'very ' * 90}red car")
    assert called.code == 0
    assert "visavis: 1 of 2 texts are longer than" in called.err
    assert ".py" not in called.err
