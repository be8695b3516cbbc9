"""The papers behind a page: each citation has an entry, each entry is cited, and BibTeX can read it."""

from __future__ import annotations

import re

import pytest

from visavis.report.frame import environment, text_of
from visavis.report.references import ALWAYS, CITED, FILE, references

FIELDS = {"article": {"journal", "volume"}, "inproceedings": {"booktitle"}, "book": {"publisher"}}


@pytest.fixture(scope="module")
def everything():
    return references(environment(), list(CITED))


def test_citations_and_entries_are_the_same(everything):
    cited = {*ALWAYS, *(key for keys in CITED.values() for key in keys)}
    keys = re.findall(r"^@\w+\{(\w+),$", text_of(environment(), FILE), re.MULTILINE)
    assert sorted(keys) == keys == sorted(cited)
    assert [work.key for work in everything] == keys


def test_entries_are_whole(everything):
    for work in everything:
        kind = work.bibtex[1 : work.bibtex.index("{")]
        fields = set(re.findall(r"^  (\w+) = ", work.bibtex, re.MULTILINE))
        assert fields >= {"author", "title", "year", *FIELDS[kind]}, work.key
        assert work.bibtex.count("{") == work.bibtex.count("}")
        assert work.key.endswith(work.year)
        assert work.who.lower().startswith(work.key[:2])


def test_how_they_read(everything):
    said = {work.key: f"{work.who} {work.year}, {work.title}" for work in everything}
    assert said["geifman2017"] == "Geifman and El-Yaniv 2017, Selective Classification for Deep Neural Networks"
    assert said["guo2017"].startswith("Guo et al. 2017, ")
    assert said["schoenemann1966"].startswith("Schönemann 1966, ")


def test_only_what_was_taken_is_cited():
    found = {work.key for work in references(environment(), ["knn", "agreement", "a measure of others"])}
    assert found == {*ALWAYS, "wu2018", "geirhos2020"}
