from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from visavis.inspection.explain.relevance import relevance
from visavis.inspection.explain.words import by_word, word_relevance
from visavis.zoo.tokenizer import Tokenizer


def test_words_are_the_texts_with_their_relevance(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("clip-vit")
    image = torch.randn(1, encoder.embed_dim, generator=torch.Generator().manual_seed(1))
    words = word_relevance(encoder, "A photo, of\n a CAT", image)
    assert [word for word, _ in words] == ["a", "photo", ",", "of", "a", "cat"]
    assert min(value for _, value in words) >= 0
    tokens = torch.from_numpy(encoder.tokenize(["A photo, of a CAT"]))
    gathered = relevance(lambda read: F.cosine_similarity(encoder.model.encode_text(read), image), tokens)
    end = int(tokens.argmax())  # the end token stands behind the words, and padding after it changes nothing
    expected = float(gathered[0, end, 1:end].sum())
    assert sum(value for _, value in words) == pytest.approx(expected, rel=1e-4)


def test_tokens_are_joined_to_words() -> None:
    tokenizer = Tokenizer(vocab_size=600, context_length=16)  # so small that most words are several tokens
    tokens = tokenizer.encode("a zebra runs")
    assert len(tokens) > 3
    words = by_word(tokenizer, tokens, [1.0] * len(tokens))
    assert [word for word, _ in words] == ["a", "zebra", "runs"]
    assert [value for _, value in words] == [len(tokenizer.encode(word)) for word, _ in words]


def test_a_word_that_is_cut_by_the_context_is_kept(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("clip-vit")
    words = word_relevance(encoder, "a " + "qx" * 40, torch.ones(1, encoder.embed_dim))
    assert len(words) == 2
    assert words[1][0].startswith("qxqx")


def test_another_librarys_tokens_cannot_be_spelled(encoder_of: Callable[..., Any]) -> None:
    encoder = encoder_of("clip-vit")
    encoder.model = nn.Identity()
    assert word_relevance(encoder, "a dog", torch.ones(1, encoder.embed_dim)) == ()
