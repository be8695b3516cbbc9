"""Each known trap, planted in a file: the doctor must find it, say what is there and what to do."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch

from visavis.errors import UsageError
from visavis.inspection.doctor.examine import examine
from visavis.inspection.doctor.pickled_names import HIDDEN, names_in
from visavis.zoo.checkpoint import save_checkpoint
from visavis.zoo.convert import convert

EMBEDDED = ("resnet-mini.emoji", "vit-mini-patch8.emoji", "RN-mini.emoji", "ViT-mini-8.emoji")


class Evil:
    """Leaves a trace wherever it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


# -- what a file is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_weights_have_no_bad_finding(name):
    diagnosis = examine(name)
    assert not diagnosis.is_bad, diagnosis.text()
    assert diagnosis.architectures == (name.partition(".")[0],)
    assert [finding.verdict for finding in diagnosis.findings].count("warning") == 0, diagnosis.text()


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("clip-vit", "hf"),
        ("clip-vit", "open_clip"),
        ("clip-resnet", "open_clip"),
        ("vit", "hf"),
        ("resnet", "timm"),
        ("vit", "timm"),
    ],
)
def test_sound_folders_have_no_bad_finding(folder, kind, to):
    diagnosis = examine(folder(kind, to).path)
    assert not diagnosis.is_bad, diagnosis.text()
    assert diagnosis.family == {"resnet": "supervised-resnet", "vit": "supervised-vit"}.get(kind, kind)
    assert all(finding.remedy for finding in diagnosis.findings if finding.verdict == "warning")


def test_facts_by_hand(trained, tmp_path):
    # A basic resnet-mini's tensors: counted here from the state that was saved.
    checkpoint = trained("resnet")
    save_checkpoint(tmp_path / "mine.safetensors", checkpoint, torch.float16)
    diagnosis = examine(tmp_path / "mine.safetensors")
    fractions = sum(value.numel() for value in checkpoint.state.values() if value.is_floating_point())
    counters = len(checkpoint.state) - sum(value.is_floating_point() for value in checkpoint.state.values())
    assert diagnosis.dtypes == {"float16": fractions, "int64": counters}
    assert diagnosis.params == fractions + counters
    assert diagnosis.size == (tmp_path / "mine.safetensors").stat().st_size
    assert (diagnosis.container, diagnosis.peers, diagnosis.family) == ("safetensors", "visavis", "supervised-resnet")
    text = diagnosis.text(width=80)
    assert text.splitlines()[0] == str(tmp_path / "mine.safetensors")
    assert f"{fractions:,} float16" in text
    assert text.endswith(" good.")


def test_what_is_not_there_is_a_wrong_call():
    with pytest.raises(UsageError, match=r"Did you mean ViT-mini-8\.emoji"):
        examine("ViT-mini-8.emojy")


# -- files that cannot be read ---------------------------------------------------------------------------------------


def test_a_pointer_of_git_lfs(tmp_path, finding_of):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 605157884\n"
    (tmp_path / "model.safetensors").write_bytes(pointer)
    found = finding_of(tmp_path / "model.safetensors", "container")
    assert found.verdict == "bad"
    assert "pointer of git-lfs" in found.found
    assert "git lfs pull" in found.remedy


def test_a_file_that_is_cut_short(folder, finding_of):
    files = folder("vit", "timm")
    files.weights.write_bytes(files.weights.read_bytes()[:-100])
    assert finding_of(files.weights, "container").verdict == "bad"
    assert examine(files.weights).is_bad


# -- contents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}])
def test_a_pickle_that_wants_to_run_code(trained, tmp_path, finding_of, options):
    content = {"state_dict": trained("resnet").state, "extra": Evil(tmp_path / "trace")}
    torch.save(content, tmp_path / "evil.pt", **options)
    found = finding_of(tmp_path / "evil.pt", "code")
    assert found.verdict == "bad"
    assert "posix.system" in found.found
    assert not (tmp_path / "trace").exists()


def test_a_pickle_that_names_strange_classes(trained, tmp_path, finding_of):
    torch.save({"state_dict": trained("resnet").state, "when": Path("a")}, tmp_path / "path.pt")
    assert finding_of(tmp_path / "path.pt", "code").verdict == "bad"  # pathlib reaches the system
    torch.save({"state_dict": trained("resnet").state, "args": argparse.Namespace(lr=1)}, tmp_path / "plain.pt")
    assert finding_of(tmp_path / "plain.pt", "code").verdict == "good"
    torch.save({"state_dict": trained("resnet").state, "half": torch.finfo}, tmp_path / "class.pt")
    found = finding_of(tmp_path / "class.pt", "code")
    assert (found.verdict, "torch.finfo" in found.found) == ("warning", True)


def test_a_name_that_a_pickle_computes_is_hidden(tmp_path):
    # STACK_GLOBAL over two texts that calls of str() make: which name it is cannot be read.
    body = b"\x80\x04" + b"cbuiltins\nstr\n)R" * 2 + b"\x93."
    (tmp_path / "hidden.pt").write_bytes(pickle.dumps(0, 2) * 3 + body + pickle.dumps([], 2))
    assert HIDDEN in names_in(tmp_path / "hidden.pt", "torch-legacy")


def test_wrappers_and_a_training_state(trained, tmp_path, finding_of):
    state = trained("resnet").state
    content = {
        "model": {f"module.{name}": value for name, value in state.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"params": [0]}]},
        "epoch": 3,
    }
    torch.save(content, tmp_path / "run.pt")
    assert "model, module." in finding_of(tmp_path / "run.pt", "wrapping").found
    left = finding_of(tmp_path / "run.pt", "other contents")
    assert left.verdict == "good"
    assert "an optimizer's state" in left.found


def test_moving_averages(trained, tmp_path, finding_of):
    state = trained("resnet").state
    torch.save({"state_dict": state, "state_dict_ema": state}, tmp_path / "both.pt")
    found = finding_of(tmp_path / "both.pt", "other contents")
    assert (found.verdict, "state_dict_ema" in found.found) == ("warning", True)
    torch.save({"state_dict_ema": state}, tmp_path / "ema.pt")
    assert "moving average" in finding_of(tmp_path / "ema.pt", "wrapping").found


def test_missing_and_misspelt_tensors(folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors.update({"blocks.1.mlp.fcl.weight": tensors.pop("blocks.1.mlp.fc1.weight")}))
    found = files.finding("names")
    assert found.verdict == "bad"
    assert "'blocks.1.mlp.fc1.weight' (nearest in the file: 'blocks.1.mlp.fcl.weight')" in found.found
    assert "1 unexpected" in found.found


def test_a_misspelt_tensor_that_tells_a_size(folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors.update(pos_embedd=tensors.pop("pos_embed")))
    found = files.finding("network")
    assert found.verdict == "bad"
    assert "there is no 'pos_embed' (nearest in the file: 'pos_embedd')" in found.found


def test_tensors_of_nobody(tmp_path, finding_of):
    torch.save({"encoder.weight": torch.zeros(3, 3)}, tmp_path / "other.pt")
    assert finding_of(tmp_path / "other.pt", "network").verdict == "bad"
    assert finding_of(tmp_path / "other.pt", "names").verdict == "unknown"


def test_a_network_that_resembles_one_of_ours(folder):
    files = folder("vit", "timm")
    files.plant(lambda tensors: tensors.update({"blocks.0.ls1.gamma": torch.ones(32)}))
    found = files.finding("network")
    assert (found.verdict, "layer scale" in found.found) == ("bad", True)


def test_the_published_name_of_another_network(trained, tmp_path, finding_of):
    path = convert(trained("resnet"), "torchvision", tmp_path / "resnet50-0676ba61.pth").path
    found = finding_of(path, "identity")
    assert found.verdict == "bad"
    assert "should be resnet50.tv_in1k" in found.found
    assert "layers is (1, 2, 1, 1), not (3, 4, 6, 3)" in found.found
    assert "its sha256 is another" in found.found


def test_a_hub_cache_names_content_by_its_checksum(folder, tmp_path):
    files = folder("resnet", "timm")
    snapshot = tmp_path / "models--timm--resnet50.a1_in1k" / "snapshots" / ("a" * 40)
    blobs = tmp_path / "models--timm--resnet50.a1_in1k" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    content = files.weights.read_bytes()
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / "model.safetensors").symlink_to(blob)
    diagnosis = examine(snapshot / "model.safetensors")
    assert diagnosis.published == "resnet50.a1_in1k"
    assert "its sha256 is another" not in diagnosis.text()  # the content is what its name says, the shapes are not
    assert "not (3, 4, 6, 3)" in diagnosis.text(width=10_000)
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "its sha256 is another" in examine(snapshot / "model.safetensors").text(width=10_000)


def test_a_head_with_another_number_of_classes(folder):
    files = folder("resnet", "timm")
    files.change("config.json", lambda config: config.update(num_classes=1000))
    found = files.finding("head")
    assert found.verdict == "bad"
    assert found.found == "The head has 5 classes, but num_classes in config.json says 1000."


def test_a_head_that_was_dropped(folder, trained):
    checkpoint = trained("resnet")
    config = dataclasses.replace(checkpoint.config, num_classes=0)
    state = {name: value for name, value in checkpoint.state.items() if not name.startswith("fc.")}
    files = folder("resnet", "timm", config=config, state=state)
    files.change("config.json", lambda config: config.pop("num_classes"))
    assert files.finding("head").verdict == "warning"
    files.change("config.json", lambda config: config.update(num_classes=1000))
    assert files.finding("head").found == "The head is missing, but num_classes in config.json says 1000."
