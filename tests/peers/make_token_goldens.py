"""Makes tests/zoo/goldens/clip_tokens.json.gz: varied texts with the tokens of OpenAI's own tokenizer.

Run once, in the peers' environment (requirements.txt beside this file), from the root of the repository:

    PYTHONPATH=src python tests/peers/make_token_goldens.py

The file names the versions it was made with. The same versions make the same file, byte for byte.
"""

from __future__ import annotations

import gzip
import html.entities
import importlib.metadata
import json
import random
import tempfile
import unicodedata
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from conftest import openai_clip

GOLDENS = Path(__file__).parents[1] / "zoo" / "goldens" / "clip_tokens.json.gz"
VOCAB_SIZES = (49408, 1024)  # OpenAI's, and that of visavis's small models

NAMES = ("name", "name_de", "name_es", "name_fr", "name_ja", "name_zh")
TEMPLATES = (
    "a photo of a {}.",
    "A bad photo of the {}",
    "itap of my {}!",
    "a {} in a video game…",
    'the "{}", isn\'t it?',
    "{} (close-up) #{}",
    "{}'s",
    "3 x {}, 50% off; $12.99",
)
BLOCKS = {
    "latin-1": (0xC0, 0xFF),
    "latin-extended": (0x100, 0x24F),
    "ipa": (0x250, 0x2AF),
    "combining": (0x300, 0x36F),
    "greek": (0x370, 0x3FF),
    "cyrillic": (0x400, 0x4FF),
    "armenian": (0x530, 0x58F),
    "hebrew": (0x590, 0x5FF),
    "arabic": (0x600, 0x6FF),
    "devanagari": (0x900, 0x97F),
    "bengali": (0x980, 0x9FF),
    "tamil": (0xB80, 0xBFF),
    "thai": (0xE00, 0xE7F),
    "tibetan": (0xF00, 0xFFF),
    "georgian": (0x10A0, 0x10FF),
    "hangul-jamo": (0x1100, 0x11FF),
    "ethiopic": (0x1200, 0x137F),
    "cherokee": (0x13A0, 0x13FF),
    "khmer": (0x1780, 0x17FF),
    "mongolian": (0x1800, 0x18AF),
    "greek-extended": (0x1F00, 0x1FFF),
    "punctuation": (0x2000, 0x206F),
    "superscripts": (0x2070, 0x209F),
    "currency": (0x20A0, 0x20CF),
    "letterlike": (0x2100, 0x214F),
    "number-forms": (0x2150, 0x218F),
    "arrows": (0x2190, 0x21FF),
    "mathematics": (0x2200, 0x22FF),
    "box-drawing": (0x2500, 0x257F),
    "dingbats": (0x2700, 0x27BF),
    "kana": (0x3040, 0x30FF),
    "han": (0x4E00, 0x9FFF),
    "hangul": (0xAC00, 0xD7A3),
    "presentation-forms": (0xFB00, 0xFDFF),
    "half-and-full-width": (0xFF00, 0xFFEF),
    "gothic": (0x10330, 0x1034F),
    "mathematical-letters": (0x1D400, 0x1D7FF),
    "pictographs": (0x1F300, 0x1F5FF),
    "emoticons": (0x1F600, 0x1F64F),
    "tags": (0xE0020, 0xE007F),
}
SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2002\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
INVISIBLE = (
    "\xad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2061\u2066\u2069\ufe0e\ufe0f\ufeff\ufffc"
)
BY_HAND = (
    "",
    " ",
    "\n",
    "\t\u3000\n ",
    "\u200b",
    "\x00",
    "\ufeff",
    "&nbsp;",
    "&#0;",
    "!",
    "a",
    "A",
    "</w>",
    "a</w>b",
    "<|startoftext|>",
    "<|endoftext|>",
    "<|StartOfText|>a<|ENDOFTEXT|>",
    "<|startoftext|><|startoftext|>",
    "<|startoftext",
    "<|\u017ftartoftext|>",
    "&lt;|endoftext|&gt;",
    "x<|endoftext|>y",
    "<start_of_text> <end_of_text>",
    "it's IT'S it\u2019s it\u02bcs 's 'S '\u017f x'\u017f",
    "I'm I'M you're we've they'll he'd don't DON'T o'clock rock'n'roll 'tis 'RE 'll",
    "''s '''t l'a d'l",
    "\u0130stanbul ISTANBUL \u0131",
    "STRASSE stra\u00dfe STRA\u1e9eE",
    "\u212a \u212b \u2126",
    "\ufb01 \ufb03 \uff21\uff42\uff11 \u01c5",
    "caf\u00e9 cafe\u0301 CAF\u00c9",
    "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3\u0391\u03a3",
    "\ud83d\ude00",
    "\ud83d",
    "a\ude00b",
    "\udcff\ud800",
    "&#x1F600; &#128512; &#xD83D;&#xDE00;",
    "&#x110000; &#-1; &#x; &#99999999999;",
    "&amp;amp;amp;lt; &amp;eacute; &eacute &AMP; &Amp;",
    "\x1b[31mred\x1b[0m",
    "line one\r\nline two\rline three\u2028line four",
    "\u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d \u00c3\u00a9t\u00c3\u00a9 \u00f0\u0178\u02dc\u20ac",
    "\u201ccurly\u201d \u2018quotes\u2019 \u2026 \u2013 \u2014",
    "http://example.org/?q=a&amp;b=c#d_e~f user@example.org C:\\dir\\file.txt",
    "snake_case camelCase kebab-case SHOUT_CASE a_b__c",
    "1234567890 3.14 1,000 \u00bd \u00b2 \u0663 \u2167 \u4e09 \U0001d7d8",
    "\U0001f469\U0001f3fd\u200d\U0001f680 \U0001f1eb\U0001f1f7 \u2764\ufe0f 1\ufe0f\u20e3",
)


def main() -> None:
    """Writes the goldens."""
    tokenizer_module = openai_clip("simple_tokenizer")
    texts = make_texts(random.Random(20))
    goldens: dict[str, Any] = {
        "made_with": {name: importlib.metadata.version(name) for name in ("clip-anytorch", "ftfy", "regex")},
        "texts": texts,
        "tokens": {},
    }
    for vocab_size in VOCAB_SIZES:
        tokenizer = openai_tokenizer(tokenizer_module, vocab_size)
        goldens["tokens"][vocab_size] = [tokenizer.encode(text) for text in texts]
    text = json.dumps(goldens, separators=(",", ":"))  # pure ASCII: lone surrogates need their escapes
    GOLDENS.parent.mkdir(parents=True, exist_ok=True)
    GOLDENS.write_bytes(gzip.compress(text.encode("ascii"), compresslevel=9, mtime=0))
    print(f"{len(texts)} texts, {GOLDENS.stat().st_size:,} bytes: {GOLDENS}")


def openai_tokenizer(tokenizer_module: Any, vocab_size: int) -> Any:
    """OpenAI's tokenizer over a merges file that ends after the first `vocab_size - 514` merges."""
    with gzip.open(tokenizer_module.default_bpe(), "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[: 1 + vocab_size - 514]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merges.txt.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode("utf-8")))
        tokenizer = tokenizer_module.SimpleTokenizer(str(path))
    assert len(tokenizer.encoder) == vocab_size
    return tokenizer


def make_texts(rng: random.Random) -> list[str]:
    """All texts, each once, in a fixed order."""
    columns = pq.read_table(
        resources.files("visavis.data") / "emoji_set" / "noto.parquet", columns=["emoji", *NAMES]
    ).to_pydict()
    texts = [
        *BY_HAND,
        *captions(rng, columns["name"]),
        *(name for column in NAMES for name in rng.sample(columns[column], 350)),
        *rng.sample(columns["emoji"], 400),
        *("".join(rng.sample(columns["emoji"], rng.randint(2, 5))) for _ in range(100)),
        *scripts(rng),
        *odd_characters(),
        *entities(rng),
        *mojibake(rng, columns),
        *random_signs(rng),
        *long_texts(rng, columns),
    ]
    return list(dict.fromkeys(texts))


def captions(rng: random.Random, names: list[str]) -> Iterator[str]:
    """English captions, some in capitals or with other spacing."""
    for name in rng.sample(names, 500):
        caption = rng.choice(TEMPLATES).format(name, name)
        yield rng.choice((str, str, str.upper, str.title, str.swapcase))(caption)
    for name in rng.sample(names, 100):
        yield rng.choice(("  ", "\n", "\t ", " \xa0")).join(["", *name.split(), ""])


def scripts(rng: random.Random) -> Iterator[str]:
    """Words of assigned characters out of each block, alone and between Latin words and digits."""
    for first, last in BLOCKS.values():
        letters = [chr(code) for code in range(first, last + 1) if unicodedata.category(chr(code)) != "Cn"]
        for number in range(24):
            words = ["".join(rng.choices(letters, k=rng.randint(1, 7))) for _ in range(rng.randint(1, 4))]
            yield " ".join([*words, "and", str(number)] if number % 4 == 3 else words)


def odd_characters() -> Iterator[str]:
    """Control characters, white space, invisible characters and all ASCII signs, alone and inside a word."""
    controls = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
    for sign in dict.fromkeys(controls + SPACES + INVISIBLE + "".join(map(chr, range(0x21, 0x30)))):
        yield from (sign, f"dog{sign}cat", f" {sign}{sign} dog {sign}", f"&#{ord(sign)};x&#x{ord(sign):X};")


def entities(rng: random.Random) -> Iterator[str]:
    """HTML entities: named and numbered, escaped once to four times, with and without their semicolon."""
    for name in rng.sample(sorted(html.entities.html5), 350):
        yield f"fish &{'amp;' * rng.choice((0, 0, 0, 1, 2, 3))}{name} chips"
    for _ in range(100):
        code = rng.choice((rng.randrange(0x100), rng.randrange(0x3000), rng.randrange(0x110000)))
        yield rng.choice(("&#{};", "&#{}", "x&amp;#{};")).format(code) + f"&#x{code:x};"


def mojibake(rng: random.Random, columns: dict[str, list[str]]) -> Iterator[str]:
    """Names whose UTF-8 was read as something else, once or twice."""
    for column in ("name_de", "name_es", "name_fr", "name_ja", "name_zh", "emoji"):
        for name in rng.sample(columns[column], 60):
            text = name
            for _ in range(rng.choice((1, 1, 2))):
                encoding = rng.choice(("latin-1", "cp1252", "cp1251", "mac_roman"))
                text = text.encode("utf-8").decode(encoding, errors="ignore")
            yield text


def random_signs(rng: random.Random) -> Iterator[str]:
    """Runs of signs without meaning: ASCII, digits and quotes, and all characters of Unicode 3.2.

    Later characters are left out, since Pythons disagree on their lower case.
    """
    ascii_signs = "".join(map(chr, range(0x20, 0x7F)))
    category = unicodedata.ucd_3_2_0.category
    assigned = [chr(code) for code in range(0x110000) if category(chr(code)) not in ("Cn", "Co", "Cs")]
    for _ in range(300):
        yield "".join(rng.choices(ascii_signs, k=rng.randint(1, 40)))
        yield "".join(rng.choices("0123456789.,'\"sStTdD -", k=rng.randint(1, 20)))
    for _ in range(250):
        yield "".join(rng.choices(assigned, k=rng.randint(1, 8)))


def long_texts(rng: random.Random, columns: dict[str, list[str]]) -> Iterator[str]:
    """Texts around and far beyond CLIP's 77 tokens."""
    for words in (*range(70, 80), 200, 1000):
        yield " ".join(rng.choices(("a", "the", "dog", "of"), k=words))
    for column in NAMES:
        yield " ".join(columns[column][:120])
        yield "".join(columns[column][:60])
    yield "a" * 1500
    yield "ab" * 700 + "!" * 300
    yield "\u5b57" * 400
    yield "\U0001f600" * 200
    yield "&amp;" * 300


if __name__ == "__main__":
    main()
