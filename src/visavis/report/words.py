"""How numbers, names and measures read on the page: the filters of its templates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from markupsafe import Markup

LONGEST_TEXT = 200  # characters of a name that are shown
LONGEST_UNBROKEN = 30  # characters of a model's name that stay on one line, even on a phone
MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

MEASURES = {
    "naming": "Naming without examples",
    "linear_probe": "Linear probe",
    "embedding_probe": "Linear probe of embeddings",
    "fine_tuning": "Fine-tuning",
    "wise_ft": "WiSE-FT",
    "lora": "LoRA",
    "knn": "Nearest neighbours",
    "zero_shot": "Zero-shot",
    "classifier": "Own classifier",
    "image_to_text": "Finding the caption",
    "any_label": "One of its classes",
    "any_label_probe": "One of its classes, by linear probes",
    "found_again": "Found again after a change",
}
HOW = {
    "naming": "each model names the images its own way and sees none of yours first: with the classifier it was "
    "trained with, or by zero-shot",
    "linear_probe": "a linear classifier is fitted to the model's features of the training images, a CLIP's before "
    "their projection into the space of texts",
    "embedding_probe": "a linear classifier is fitted to a CLIP's vectors of the training images, behind "
    "the projection into the space of texts",
    "fine_tuning": "all weights are trained on the training images, from the zero-shot classifier or a linear probe on",
    "wise_ft": "each weight is half way between the zero-shot network's and the fine-tuned one's",
    "lora": "low-rank changes of the weights are trained on the training images",
    "knn": "the nearest training images vote, by cosine similarity of the model's vectors",
    "zero_shot": "the image goes to the class whose name, written into prompts, has the nearest text vector",
    "image_to_text": "each image is asked for its caption among those of all images, so that right answers are "
    "Recall@1, and those among the first five Recall@5",
    "any_label": "each image is asked for the one class whose name, written into prompts, has the nearest text vector; "
    "right is any class that it has",
    "any_label_probe": "for each class a linear classifier of the model’s features is fitted to images with it and "
    "without; each image is asked for the likeliest class, and right is any that it has",
    "found_again": "each image, changed as the view says, is looked for among all images as they are, by cosine of the "
    "model’s vectors; in the view mixed each image is changed in one of the ways, drawn by chance. That needs no label "
    "and is no accuracy on anyone’s classes",
    "classifier": "the output layer that a supervised model was trained with, over the data's classes alone",
}
METRICS = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "accuracy@5": "Among first five"}
COSTS = {
    "params": "Parameters",
    "macs": "MACs, one image",
    "weight_mib": "Weights, MiB",
    "images_per_s": "Images a second",
    "peak_memory_mib": "Peak memory, MiB",
}
EFFECTS = {"architecture": "Architecture", "training": "Training signal", "interaction": "Interaction"}


def visible(text: object) -> str:
    """Text from outside, fit for one line of a page: escaping is the template's work, this is the rest.

    Control characters become visible, direction overrides and halves of surrogate pairs (from file names that
    are not Unicode) the replacement character, and what is longer than LONGEST_TEXT is cut. Missing texts are a dash.
    """
    if is_missing(text):
        return NOTHING
    shown = "".join(map(_visible_character, str(text)[: LONGEST_TEXT + 1]))
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}…"


def visible_lines(text: object) -> str:
    """`visible` for long texts of our own making, such as a verdict with names in it: nothing is cut."""
    return "".join(map(_visible_character, str(text)))


def with_names(text: object, names: Iterable[str]) -> Markup:
    """A sentence as HTML in which models' names and p values stay whole at the end of a line.

    A name keeps its own direction, too.
    """
    shown = [visible(name) for name in names]
    pattern = "|".join(re.escape(name) for name in sorted(shown, key=len, reverse=True)) or "(?!)"
    shown_text = re.sub(r"\bp ([<=]) (?=\d)", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", visible_lines(text))
    pieces = re.split(f"({pattern})", shown_text)
    whole, loose = Markup('<bdi class="name">{}</bdi>'), Markup("<bdi>{}</bdi>")
    marked = [
        (whole if len(piece) <= LONGEST_UNBROKEN else loose).format(piece) if number % 2 else piece
        for number, piece in enumerate(pieces)
    ]
    return Markup("").join(marked)


def is_missing(value: object) -> bool:
    """Whether a table's cell is empty: None, NaN or pandas' NA."""
    return value is None or value != value or str(value) == "<NA>"  # noqa: PLR0124  # NaN differs from itself


def measure_name(measure: str) -> str:
    """A measure's name in a heading."""
    return MEASURES.get(measure, visible(measure.replace("_", " ").capitalize()))


def metric_name(metric: str) -> str:
    """A metric's name in a column's head."""
    return METRICS.get(metric, visible(metric.replace("_", " ").capitalize()))


def cost_name(metric: str) -> str:
    """A cost's name and unit in a column's head."""
    return COSTS.get(metric, visible(metric.replace("_", " ").capitalize()))


def effect_name(effect: str) -> str:
    """An effect's name in a row's head."""
    return EFFECTS.get(effect, visible(effect.capitalize()))


def exact(value: float) -> str:
    """Every digit of a table's number, for machines and for sorting."""
    return repr(float(value))


def percent(share: float) -> str:
    """A fraction in percent, one decimal, without the sign: 0.5319 is "53.2"."""
    return NOTHING if is_missing(share) else f"{100 * share:.1f}".replace("-", MINUS)


def points(difference: float) -> str:
    """A difference of fractions in percentage points, signed: 0.0319 is "+3.2"."""
    if is_missing(difference):
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def confidence(share: float) -> str:
    """A model's own probability in whole percent: "93%", "< 1%", "> 99%"."""
    if is_missing(share):
        return NOTHING
    if 0 < share < 0.01:
        return "< 1%"
    return "> 99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def count(number: float) -> str:
    """A whole number with separators: 12,345."""
    return NOTHING if is_missing(number) else f"{round(number):,}"


def quantity(number: float) -> str:
    """Three significant digits with the SI prefix: 4130000 is "4.13 M"."""
    if is_missing(number):
        return NOTHING
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * limit:
            return f"{significant(number / limit)}\N{NO-BREAK SPACE}{prefix}"
    return significant(number)


def significant(number: float) -> str:
    """Three significant digits, never in exponential form; whole from 100 up."""
    if is_missing(number):
        return NOTHING
    if number == 0:
        return "0"
    rounded = float(f"{number:.2e}")  # 0.9996 is 1.00, not 1.000
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{number:,.{decimals}f}"


def p_value(p: float) -> str:
    """A p value as papers print it: "< 0.001", "0.034"."""
    if is_missing(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def date(iso: object) -> str:
    """An ISO time as a day: "23 November 2026"; the text itself where it is none."""
    try:
        day = datetime.fromisoformat(str(iso))
    except ValueError:
        return visible(iso)
    return f"{day.day} {day:%B %Y}"


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"; of more than four, the first three and how many more."""
    shown = [visible(name) for name in names]
    if len(shown) > 4:
        return f"{', '.join(shown[:3])} and {len(shown) - 3} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def plural(number: int, noun: str) -> str:
    """A counted noun: "1 image", "2 images", "2 classes"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"


def setting(value: Any) -> str:
    """A setting of the protocol in words: nested tables and lists in one line."""
    if isinstance(value, dict):
        inner = "; " if any(isinstance(entry, dict) for entry in value.values()) else ", "
        return inner.join(f"{visible(key)}: {setting(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(setting(entry) for entry in value)
    return visible(value)


def _visible_character(character: str) -> str:
    code = ord(character)
    if character in "\n\r\u2028\u2029":
        return "↵"
    if code < 0x20:
        return "\\t" if character == "\t" else f"\\x{code:02x}"
    if 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return "\N{REPLACEMENT CHARACTER}"
    return character
