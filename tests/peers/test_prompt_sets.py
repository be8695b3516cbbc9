"""The published prompt sets are those that open_clip carries from OpenAI's notebook."""

from __future__ import annotations

from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

from visavis.data.prompts import read_prompts


def test_word_for_word_and_in_their_order():
    for name, peers in (("openai-80", OPENAI_IMAGENET_TEMPLATES), ("openai-7", SIMPLE_IMAGENET_TEMPLATES)):
        assert read_prompts([name]) == tuple(template("{}") for template in peers)
