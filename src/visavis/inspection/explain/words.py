"""Which words of a text a CLIP's cosine rests on: Chefer et al. 2021, section 3.1, on the text tower.

The text tower reads its vector at the end token, which sees all words before it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.inspection.explain.relevance import relevance
from visavis.models.clip import CLIP
from visavis.zoo.tokenizer import Tokenizer


def word_relevance(encoder: Encoder, text: str, features: Tensor) -> tuple[tuple[str, float], ...]:
    """A text's words, each with its relevance for the cosine with an image's vector [1, embed_dim].

    Empty for a network of another library, whose tokens cannot be spelled here.
    """
    model = encoder.model
    if not isinstance(model, CLIP):
        return ()
    settings = model.config.text
    tokenizer = Tokenizer(vocab_size=settings.vocab_size, context_length=settings.context_length)
    tokens = torch.from_numpy(encoder.tokenize([text]))  # [1, context_length]
    end = int(tokens.argmax())  # the end token has the highest number
    image = F.normalize(features, dim=-1)

    def cosine(read: Tensor) -> Tensor:
        return F.cosine_similarity(model.encode_text(read), image)

    gathered = relevance(cosine, tokens[:, : end + 1])  # [1, end + 1, end + 1]
    return by_word(tokenizer, tokens[0, 1:end].tolist(), gathered[0, end, 1:end].tolist())


def by_word(tokenizer: Tokenizer, tokens: list[int], values: list[float]) -> tuple[tuple[str, float], ...]:
    """Tokens joined to words, with sums of their values. A token that ends a word is spelled with a space behind."""
    words: list[tuple[str, float]] = []
    start = 0
    for number, token in enumerate(tokens, start=1):
        if number == len(tokens) or " " in tokenizer.decode([token, token]):
            words.append((tokenizer.decode(tokens[start:number]), sum(values[start:number])))
            start = number
    return tuple(words)
