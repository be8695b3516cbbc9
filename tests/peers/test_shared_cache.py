"""What visavis fetched, open_clip and timm load without a network, and the other way round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

# Prints the file that each library takes for a name, whether it had to fetch it or not.
LOAD = """
import json, open_clip
from timm.models import _hub
found = {}
download = _hub.hf_hub_download
def noting(*arguments, **named):
    found["resnet18.a1_in1k"] = download(*arguments, **named)
    return found["resnet18.a1_in1k"]
_hub.hf_hub_download = noting
_hub.load_state_dict_from_hf("timm/resnet18.a1_in1k", "model.safetensors")
found["ViT-B-32.openai"] = open_clip.download_pretrained(open_clip.get_pretrained_cfg("ViT-B-32", "openai"))
print(json.dumps(found))
"""
NAMES = ("ViT-B-32.openai", "resnet18.a1_in1k")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A hub on loopback with small files under the names of published ones, and an empty cache."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "zoo" / "hub")
    from hub_server import loopback_hub
    from huggingface_hub import constants

    from visavis.zoo.published import read_published

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):  # the tests say when the network is off
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with loopback_hub() as served:
        rows = [read_published()[name] for name in NAMES]
        served.begin({row.repo: {row.filename: save({row.name: torch.arange(1000)})} for row in rows})
        monkeypatch.setenv("HF_ENDPOINT", served.address())
        yield served


def loaded_by_peers(**variables: str) -> dict[str, str]:
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", **variables}
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_visavis_fetched_its_peers_load_offline(hub: Any) -> None:
    from visavis.zoo.hub import fetch_published

    ours = {fetched.name: str(fetched.path) for fetched in fetch_published(NAMES)}
    hub.asked.clear()
    assert loaded_by_peers(HF_HUB_OFFLINE="1") == ours
    assert hub.asked == []


def test_what_peers_fetched_visavis_finds(hub: Any) -> None:
    from visavis.zoo.cached import cached_names
    from visavis.zoo.hub import fetch_published
    from visavis.zoo.published import list_published

    theirs = loaded_by_peers()
    hub.asked.clear()
    assert cached_names(list_published()) == set(NAMES)
    assert {fetched.name: str(fetched.path) for fetched in fetch_published(NAMES)} == theirs
    assert hub.asked == []
