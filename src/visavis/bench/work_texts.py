"""Texts to vectors: ImageNet's prompts, and a zero-shot classifier of many templates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from visavis.bench.contest import Contest, Runner
from visavis.bench.rivals import Rival
from visavis.bench.setting import Setting
from visavis.data.prompts import read_prompts
from visavis.engine.encoder import Encoder
from visavis.zoo.opening import imagenet_names

_STEP = 20  # open_clip encodes every twentieth prompt, transformers every fourth, in batches of 250
_CLASSES = 40  # of the 1,000, for the classifier: more classes share more beginnings, so this is the harder part


def prompts(setting: Setting) -> Contest | None:
    """A photo of each of ImageNet's classes."""
    if not setting.parts.text:
        return None
    texts = [f"a photo of a {name}." for name in imagenet_names()]
    ours = setting.encoder("torch")
    runners = [_peer(rival, ours, texts) for rival in setting.rivals if rival.texts]
    run = partial(ours.encode_texts, texts)
    every = slice(None, None, _STEP)
    runners.append(Runner(name="visavis", kind="float32", run=run, items=len(texts), compared=every))
    expected = ours.encode_tokens(torch.from_numpy(ours.tokenize(texts[every]))).numpy()
    return Contest(work="texts", model=setting.model, unit="texts/s", runners=tuple(runners), expected=expected)


def _peer(rival: Rival, ours: Encoder, texts: Sequence[str]) -> Runner:
    """open_clip pads to 77 tokens, transformers to the longest of a batch; tokenizing is left out for both."""
    assert rival.texts is not None
    encode = rival.texts
    pads_to_longest = rival.library == "transformers"
    some = texts[:: _STEP // 5] if pads_to_longest else texts[::_STEP]
    tokens = torch.from_numpy(ours.tokenize(some))

    def run() -> np.ndarray:
        return torch.cat([encode(batch) for batch in tokens.split(250)]).numpy()

    compared = slice(None, None, 5) if pads_to_longest else slice(None)
    return Runner(name=rival.library, kind="peer", run=run, items=len(some), compared=compared)


def classifier(setting: Setting) -> Contest | None:
    """A part of 1,000 classes with OpenAI's 80 templates; open_clip, whose helper goes class by class, does one."""
    if not setting.parts.text:
        return None
    ours = setting.encoder("torch")
    names, templates = imagenet_names()[:: 1000 // _CLASSES], read_prompts(["openai-80"])
    runners = [
        Runner(name=rival.library, kind="peer", run=partial(_class_by_class, rival, ours, names[0], templates), items=1)
        for rival in setting.rivals
        if rival.library == "open_clip"
    ]
    expected = runners[0].run() if runners else None
    run = partial(ours.zero_shot_classifier, names, templates)
    runners.append(Runner(name="visavis", kind="float32", run=run, items=len(names), compared=slice(1)))
    return Contest(
        work=f"classifier, {len(templates)} templates",
        model=setting.model,
        unit="classes/s",
        runners=tuple(runners),
        expected=expected,
    )


def _class_by_class(rival: Rival, ours: Encoder, name: str, templates: Sequence[str]) -> np.ndarray:
    assert rival.texts is not None
    tokens = torch.from_numpy(ours.tokenize([template.replace("{}", name) for template in templates]))
    vectors = torch.nn.functional.normalize(rival.texts(tokens), dim=-1).mean(dim=0)
    return torch.nn.functional.normalize(vectors, dim=0).numpy()[None]
