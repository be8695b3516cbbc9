"""Prompts: written out, from a set, from a file, and what is none of these."""

from __future__ import annotations

import pytest

from visavis.data.prompts import PROMPT_SETS, read_prompts
from visavis.errors import UsageError


def test_the_published_sets_have_their_sizes_and_no_template_twice():
    sets = {name: read_prompts([name]) for name in PROMPT_SETS}
    assert {name: len(templates) for name, templates in sets.items()} == {"openai-80": 80, "openai-7": 7}
    assert all(template.count("{}") == 1 for templates in sets.values() for template in templates)
    assert "itap of a {}." in sets["openai-7"]


def test_templates_sets_and_files_in_their_order_each_once(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("# mine\n\n  a scan of {}  \nitap of a {}.\n", encoding="utf-8")
    found = read_prompts(["{}", str(own), "openai-7"])
    assert found[:3] == ("{}", "a scan of {}", "itap of a {}.")
    assert len(found) == 2 + 7
    assert read_prompts([]) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a photo of a {}\na photo\n", r"Line 2 of .* has no \{\} where the class name goes: 'a photo'"),
        (b"# nothing\n", "holds no prompt"),
        (b"\xff\xfe{}", "must be a text file in UTF-8"),
    ],
)
def test_a_bad_file_names_its_line(tmp_path, text, said):
    (tmp_path / "own.txt").write_bytes(text)
    with pytest.raises(UsageError, match=said):
        read_prompts([str(tmp_path / "own.txt")])


def test_what_is_no_prompt_gets_the_nearest_set():
    with pytest.raises(UsageError, match=r"neither a file nor a set .* Did you mean.*openai-80"):
        read_prompts(["openai80"])
    with pytest.raises(UsageError, match="Choose from openai-80, openai-7"):
        read_prompts(["a photo of a cat"])
