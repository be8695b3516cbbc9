"""What a study rests on: the papers behind its measures, tests and chapters, in words and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment

from visavis.report.frame import text_of

FILE = "references.bib"
ALWAYS = ("efron1993", "mcnemar1947", "holm1979", "schuirmann1987")  # intervals and tests
CITED = {
    "zero_shot": ("radford2021",),
    "linear_probe": ("radford2021", "breiman1984"),
    "embedding_probe": ("radford2021", "breiman1984"),
    "fine_tuning": ("kumar2022",),
    "wise_ft": ("wortsman2022",),
    "lora": ("hu2022",),
    "few_shot": ("radford2021",),
    "why": ("hasler2003", "pech2000", "bigun1987", "liang1986"),
    "retrieval": ("manning2008", "woodruff1952"),
    "any_label": ("radford2021",),
    "multi_label": ("manning2008",),
    "given_classes": ("radford2021",),
    "neighbours": ("lloyd1982", "vinh2010", "klabunde2025"),
    "prompts": ("radford2021",),
    "knn": ("wu2018",),
    "ResNet": ("he2016",),
    "ViT": ("dosovitskiy2021",),
    "agreement": ("geirhos2020",),
    "calibration": ("guo2017", "kumar2019", "brier1950"),
    "selective": ("geifman2017", "geifman2019"),
    "out_of_distribution": ("hendrycks2017", "liu2020", "sun2022"),
    "robustness": ("hendrycks2019",),
    "levels": ("geirhos2019",),
    "quality": ("northcutt2021", "tukey1977"),
    "maps": ("pearson1901", "schoenemann1966"),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One work.

    Attributes:
        key: Of its BibTeX entry.
        who: Surnames of the authors: "Guo et al.", "Geifman and El-Yaniv".
        year: As printed.
        title: Without braces.
        bibtex: The whole entry.
    """

    key: str
    who: str
    year: str
    title: str
    bibtex: str


def references(templates: Environment, taken: Sequence[str]) -> list[Reference]:
    """The works behind what was taken, sorted by key.

    Args:
        templates: Of `environment`.
        taken: Names of measures and chapters, and architectures of models; one that cites nothing is passed over.
    """
    known = {entry.key: entry for entry in map(_parse, _entries(text_of(templates, FILE)))}
    keys = {*ALWAYS, *(key for name in taken for key in CITED.get(name, ()))}
    return [known[key] for key in sorted(keys)]


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"\n(?=@)", text)]


def _parse(entry: str) -> Reference:
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))
    surnames = [_plain(author.partition(",")[0]) for author in fields["author"].split(" and ")]
    who = " and ".join(surnames) if len(surnames) < 3 else f"{surnames[0]} et al."
    key = entry.partition("{")[2].partition(",")[0]
    return Reference(key=key, who=who, year=fields["year"], title=_plain(fields["title"]), bibtex=entry)


def _plain(text: str) -> str:
    return re.sub(r"\{\\\"o\}", "ö", text)
