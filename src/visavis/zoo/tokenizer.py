"""CLIP's byte-pair tokenizer: Radford et al. 2021, section 2.4, after Sennrich et al. 2016, section 3.2.

The one idea: a word starts as its UTF-8 bytes, and the pair of neighbours that was learned first is joined,
again and again, until no learned pair is left. Any text can be written, and a frequent word is one token.
Words are lower-cased, and the last symbol of a word knows that it ends one.

Token numbers, for a vocabulary of `vocab_size`:

    0 to 255                   one byte inside a word, in GPT-2's order (printable ones first)
    256 to 511                 the same byte at the end of a word
    512 to vocab_size - 3      the merges, in the order in which they were learned
    vocab_size - 2, - 1        <|startoftext|>, <|endoftext|>
"""

from __future__ import annotations

import gzip
import html
import re
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heappush
from importlib import resources
from itertools import chain, islice, pairwise

import ftfy
import numpy as np
import regex
from ftfy.badness import is_bad

from visavis.errors import UsageError

CLIP_VOCAB_SIZE = 49408  # what every published CLIP uses: 48,894 merges
CLIP_CONTEXT_LENGTH = 77
MIN_VOCAB_SIZE = 514  # bytes inside and at the end of a word, start and end token: no merges

_START, _END = "<|startoftext|>", "<|endoftext|>"
_GONE = -1  # stands where a symbol was joined to the one before it

# One match is one word: a token's name written out, an English ending, letters, one digit, or other signs.
_WORDS = regex.compile(
    r"<\|(?:start|end)oftext\|>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)
_SPACES = regex.compile(r"\s+")
# Printable ASCII, tabs and line ends, Western letters, dashes, quotes and dots, without the "&" that may begin an HTML
# entity: where such text does not look like a broken encoding, `clean` only straightens quotes and joins spaces.
_SIGNS = r"[\t\n -%'-~À-ÖØ-öø-ÿ–—‘’“”…]*"
_NEEDS_NO_CLEANING = re.compile(rf"{_SIGNS}(?:& {_SIGNS})*").fullmatch
_LETTERS_BEYOND_ASCII = re.compile("[À-ÿ]").search  # dashes, quotes and dots alone never look like a broken encoding
_MOST_PARTS = 2**16  # kept in memory


@dataclass(frozen=True)
class Tokenizer:
    """Texts to token numbers, equal to OpenAI's for the full vocabulary.

    Attributes:
        vocab_size: Number of tokens, 514 to 49,408; a smaller vocabulary keeps the first merges.
        context_length: Tokens in a row of `__call__`, start and end token included.
    """

    vocab_size: int = CLIP_VOCAB_SIZE
    context_length: int = CLIP_CONTEXT_LENGTH

    def __post_init__(self) -> None:
        if not MIN_VOCAB_SIZE <= self.vocab_size <= CLIP_VOCAB_SIZE:
            raise UsageError(
                f"vocab_size must be from {MIN_VOCAB_SIZE} (bytes alone) to {CLIP_VOCAB_SIZE} (all of CLIP's "
                f"merges), not {self.vocab_size}."
            )
        if self.context_length < 2:
            raise UsageError(
                f"context_length must leave room for the start and the end token, so at least 2, "
                f"not {self.context_length}."
            )

    @property
    def start_token(self) -> int:
        """The number of <|startoftext|>."""
        return self.vocab_size - 2

    @property
    def end_token(self) -> int:
        """The number of <|endoftext|>, the highest of all."""
        return self.vocab_size - 1

    def encode(self, text: str) -> list[int]:
        """All tokens of a text, without start and end token. Raises TypeError unless it is a str."""
        return [*chain.from_iterable(map(_parts(self.vocab_size).__getitem__, _between_spaces(text)))]

    def __call__(self, texts: str | Sequence[str]) -> np.ndarray:
        """One row a text: start token, tokens, end token, zeros. A long text is cut and keeps its end token.

        Args:
            texts: The texts; one alone gives one row.

        Returns:
            int64 [texts, context_length].

        Raises:
            TypeError: A text is not a str.
        """
        texts = [texts] if isinstance(texts, str) else texts
        kept = [self.encode(text)[: self.context_length - 2] for text in texts]
        lengths = np.fromiter(map(len, kept), np.int64, len(kept))  # [texts]
        tokens = np.fromiter(chain.from_iterable(kept), np.int64, lengths.sum())
        first = np.arange(len(kept)) * self.context_length + 1  # [texts], of their tokens, all rows in one
        rows = np.zeros(len(kept) * self.context_length, np.int64)
        rows[first - 1] = self.start_token
        rows[np.repeat(first - lengths.cumsum() + lengths, lengths) + np.arange(len(tokens))] = tokens
        rows[first + lengths] = self.end_token
        return rows.reshape(-1, self.context_length)

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """Which of the texts `__call__` cuts."""
        return [len(self.encode(text)) > self.context_length - 2 for text in texts]

    def decode(self, tokens: Sequence[int] | np.ndarray) -> str:
        """The text of tokens, with one space after each word but the last.

        Start tokens, and everything from the first end token on, are left out. Bytes that are no UTF-8 become
        U+FFFD.

        Raises:
            UsageError: A number is outside the vocabulary.
        """
        spellings = _vocabulary(self.vocab_size).spellings
        spelled = bytearray()
        for token in map(int, tokens):
            if not 0 <= token < self.vocab_size:
                raise UsageError(f"A token must be from 0 to {self.vocab_size - 1}, not {token}.")
            if token == self.end_token:
                break
            spelled += spellings[token]
        return spelled.decode("utf-8", errors="replace").removesuffix(" ")


def clean(text: str) -> str:
    """CLIP's clean-up: broken encodings mended, HTML entities resolved, white space collapsed, lower case.

    Entities are resolved twice, for captions escaped twice. Raises TypeError unless `text` is a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"A text to tokenize must be a str, not {type(text).__name__}: {reprlib.repr(text)}.")
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return _SPACES.sub(" ", text.strip()).strip().lower()


def _between_spaces(text: str) -> list[str]:
    """A cleaned text cut at its spaces. Cleaning would take nine tenths of the time, and few texts need it."""
    if not isinstance(text, str) or not _NEEDS_NO_CLEANING(text):
        return clean(text).split(" ")
    if text.isascii():
        return text.lower().split()
    if _LETTERS_BEYOND_ASCII(text) and any(map(is_bad, text.splitlines(keepends=True))):  # lines are mended one by one
        return clean(text).split(" ")
    text = text.replace("‘", "'").replace("’", "'").replace("“", '"').replace("”", '"')
    return text.lower().split()


class _Parts(dict[str, tuple[int, ...]]):
    """The tokens of what stands between two spaces, which repeats; no word reaches over a space."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size

    def __missing__(self, part: str) -> tuple[int, ...]:
        words = _WORDS.findall(part)
        tokens = tuple(token for word in words for token in _word_tokens(word, self.vocab_size))
        if len(self) >= _MOST_PARTS:
            self.clear()
        self[part] = tokens
        return tokens


@lru_cache(maxsize=4)
def _parts(vocab_size: int) -> _Parts:
    return _Parts(vocab_size)


@lru_cache(maxsize=2**16)
def _word_tokens(word: str, vocab_size: int) -> tuple[int, ...]:
    if word in (_START, _END):  # OpenAI's tokenizer reads a token's name in a text as the token itself
        return (vocab_size - 2 if word == _START else vocab_size - 1,)
    vocabulary = _vocabulary(vocab_size)
    symbols = [vocabulary.byte_tokens[byte] for byte in word.encode("utf-8")]
    symbols[-1] += 256  # this byte ends the word
    return tuple(_merge(symbols, vocabulary.merges))


def _merge(symbols: list[int], merges: dict[tuple[int, int], int]) -> list[int]:
    """Joins neighbours, the pair learned first before all others and from left to right, until none can be.

    Each symbol is made by one merge alone, and a larger number means learned later. So a pair that a merge
    brings together was always learned after it, and one queue by number and place gives what repeated passes
    over the word would, in n log n steps: a page of Chinese is a single word.
    """
    end = len(symbols)
    symbols = [*symbols, _GONE]  # also found at place -1, before the first symbol
    left = list(range(-1, end))
    right = list(range(1, end + 2))
    queue = [(merges[pair], place) for place, pair in enumerate(pairwise(symbols)) if pair in merges]
    heapify(queue)
    while queue:
        joined, place = heappop(queue)
        after = right[place]
        if merges.get((symbols[place], symbols[after])) != joined:
            continue  # one of the two was joined to another neighbour in the meantime
        symbols[place], symbols[after] = joined, _GONE
        right[place] = right[after]
        left[right[place]] = place
        for first, second in ((left[place], place), (place, right[place])):
            merged = merges.get((symbols[first], symbols[second]))
            if merged is not None:
                heappush(queue, (merged, first))
    return [symbol for symbol in symbols if symbol != _GONE]


@dataclass(frozen=True)
class _Vocabulary:
    """What a vocabulary size means.

    Attributes:
        byte_tokens: The token of each byte inside a word, [256].
        merges: The token that two neighbours become.
        spellings: The bytes of each token, with a space where a word ends; none for the start token.
    """

    byte_tokens: tuple[int, ...]
    merges: dict[tuple[int, int], int]
    spellings: tuple[bytes, ...]


@lru_cache(maxsize=4)
def _vocabulary(vocab_size: int) -> _Vocabulary:
    """Reads as many merges as the size needs."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}  # the soft hyphen is not
    order = sorted(range(256), key=lambda byte: (byte not in printable, byte))
    # The file is free of blanks and control characters: it writes those 68 bytes as the letters from U+0100.
    letters = [*map(chr, sorted(printable)), *map(chr, range(256, 512 - len(printable)))]
    tokens = {name: token for token, name in enumerate([*letters, *(letter + "</w>" for letter in letters)])}
    spellings = [bytes([byte]) for byte in order] + [bytes([byte]) + b" " for byte in order]
    merges: dict[tuple[int, int], int] = {}
    for first, second in _read_merges(vocab_size - MIN_VOCAB_SIZE):
        pair = (tokens[first], tokens[second])
        merges[pair] = tokens[first + second] = len(spellings)
        spellings.append(spellings[pair[0]] + spellings[pair[1]])
    byte_tokens = tuple(order.index(byte) for byte in range(256))
    return _Vocabulary(byte_tokens, merges, (*spellings, b""))


def _read_merges(count: int) -> Iterator[tuple[str, str]]:
    """The first merges, in the order in which they were learned; the file's first line is its version."""
    path = resources.files("visavis.zoo") / "clip_bpe" / "bpe_simple_vocab_16e6.txt.gz"
    with path.open("rb") as file, gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in islice(lines, 1, 1 + count):
            first, second = line.split()
            yield first, second
