"""Runs that end, stop, are killed, resume, diverge, run out of disk, and learn."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from visavis.data.dataset import Dataset
from visavis.errors import UsageError, VisavisError
from visavis.train import loop
from visavis.train.interrupt import StopRequest
from visavis.train.loop import InterruptedTrainingError, Progress, train
from visavis.train.recipe import TrainConfig, read_recipe
from visavis.zoo.opening import open_checkpoint

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
FOUR = ("resnet-mini", "vit-mini-patch8", "RN-mini", "ViT-mini-8")


def config(architecture: str = "ViT-mini-8", **values) -> TrainConfig:
    usual = {
        "architecture": architecture,
        "data": "drawings",
        "objective": "labels" if "mini" in architecture and architecture.islower() else "contrastive",
        "samples": 48,
        "batch_size": 6,
        "warmup_samples": 6,
        "augmentation": "icons",
    }
    return TrainConfig(**{**usual, **values})


@pytest.fixture(autouse=True)
def _log_each_step(monkeypatch):
    monkeypatch.setattr(loop, "STEPS_BETWEEN_LOGS", 1)


def stop_after(step: int, number: int = signal.SIGINT):
    """What a person's Ctrl-C at that step does."""

    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            signal.raise_signal(number)

    return on_progress


def weights(path: Path) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in open_checkpoint(path).state.items()}


def logged(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("architecture", "precision", "number"),
    [
        ("resnet-mini", "float32", signal.SIGINT),
        ("vit-mini-patch8", "bfloat16", signal.SIGINT),
        ("RN-mini", "bfloat16", signal.SIGINT),
        ("ViT-mini-8", "float32", signal.SIGTERM),
    ],
)
def test_a_stopped_run_ends_with_the_bits_of_an_unbroken_one(drawings, tmp_path, architecture, precision, number):
    run = config(architecture, precision=precision, samples=30)
    unbroken = train(run, drawings, tmp_path / "unbroken")
    with pytest.raises(InterruptedTrainingError, match="Stopped after step 2 of 5") as stopped:
        train(run, drawings, tmp_path / "broken", on_progress=stop_after(2, number))
    assert stopped.value.exit_code == 130
    assert (tmp_path / "broken" / "state.safetensors").is_file()
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    with pytest.raises(InterruptedTrainingError):
        train(run, drawings, tmp_path / "broken", on_progress=stop_after(3, number))
    finished = train(run, drawings, tmp_path / "broken")
    assert weights(finished) == weights(unbroken)
    assert [line["step"] for line in logged(tmp_path / "broken")] == [1, 2, 3, 4, 5]
    losses = [[line["loss"] for line in logged(tmp_path / name)] for name in ("broken", "unbroken")]
    assert losses[0] == losses[1]
    assert sorted(path.name for path in (tmp_path / "broken").iterdir()) == [
        "metrics.jsonl",
        "model.safetensors",
        "run.json",
    ]


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from visavis.data.read import read_dataset
from visavis.train import loop
from visavis.train.recipe import read_recipe
from visavis.zoo import files
recipe, out, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
loop.STEPS_BETWEEN_LOGS, loop.SECONDS_BETWEEN_SAVES = 1, 0.0  # every step is logged, then saved
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
def on_progress(progress):
    if progress.step == 4 and moment == "before saving":
        die()
    if progress.step == 4 and moment == "while saving":
        files.os.replace = die  # the temporary file is written and takes no place any more
config = read_recipe(recipe)
loop.train(config, read_dataset(config.data), out, on_progress=on_progress)
"""


@pytest.mark.parametrize("moment", ["before saving", "while saving"])
def test_a_killed_process_leaves_a_run_that_goes_on(drawings, tmp_path, moment):
    data = tmp_path / "data"
    for sample in drawings.samples:
        (data / sample.label).mkdir(parents=True, exist_ok=True)
        (data / sample.label / Path(sample.name).name).write_bytes(sample.data)
    run = config(samples=36, data=str(data))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in dataclasses.asdict(run).items()), "utf-8"
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED_RUN, str(recipe), str(out)]
    killed = subprocess.run([*command, moment], capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [line["step"] for line in logged(out)] == [1, 2, 3, 4]  # one more than the saved state
    assert not (out / "model.safetensors").exists()
    left_over = [path for path in out.iterdir() if path.suffix == ".tmp"]
    assert len(left_over) == (1 if moment == "while saving" else 0)
    from visavis.data.read import read_dataset

    finished = train(read_recipe(recipe), read_dataset(data), out)  # another process goes on
    unbroken = train(read_recipe(recipe), read_dataset(data), tmp_path / "unbroken")
    assert weights(finished) == weights(unbroken)
    assert [line["step"] for line in logged(out)] == [1, 2, 3, 4, 5, 6]
    assert not [path for path in out.iterdir() if path.suffix == ".tmp"]


def test_a_finished_run_is_not_trained_again(drawings, tmp_path, monkeypatch):
    finished = train(config(samples=12), drawings, tmp_path / "out")
    before = finished.stat().st_mtime_ns
    monkeypatch.setattr(loop, "load_training_set", None)  # would fail if it were called
    assert train(config(samples=12), drawings, tmp_path / "out") == finished
    assert finished.stat().st_mtime_ns == before


def test_what_the_weights_file_says(drawings, tmp_path):
    run = config("resnet-mini", samples=12)
    checkpoint = open_checkpoint(train(run, drawings, tmp_path / "out"))
    assert checkpoint.class_names == tuple(f"thing {number}" for number in range(6))
    assert checkpoint.config.num_classes == 6
    assert checkpoint.preprocess.image_size == 64
    assert checkpoint.preprocess.mean == checkpoint.preprocess.std == (0.5, 0.5, 0.5)
    assert checkpoint.about["recipe"] == dataclasses.asdict(run)
    assert checkpoint.about["data_sha256"] == drawings.fingerprint
    assert "12 images, 6 concepts" in checkpoint.about["trained_on"]


def test_half_precision_files_hold_the_rounded_weights(drawings, tmp_path):
    full = train(config(samples=12), drawings, tmp_path / "full")
    half = train(config(samples=12, saved_precision="float16"), drawings, tmp_path / "half")
    assert half.stat().st_size < 0.6 * full.stat().st_size
    wide, narrow = open_checkpoint(full).state, open_checkpoint(half).state
    for name, value in wide.items():
        torch.testing.assert_close(narrow[name], value.half().float(), atol=0, rtol=0)


@pytest.mark.parametrize("length", [0, 7, 1000, -1])
def test_a_state_cut_short_is_one_clear_error(drawings, tmp_path, length):
    with pytest.raises(InterruptedTrainingError):
        train(config(), drawings, tmp_path / "out", on_progress=stop_after(1))
    state = tmp_path / "out" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:length])
    with pytest.raises(VisavisError, match=r"training state .*state.safetensors' cannot be read .*Delete it") as bad:
        train(config(), drawings, tmp_path / "out")
    assert bad.value.exit_code == 1
    state.unlink()
    train(config(samples=48), drawings, tmp_path / "out")  # as the message says, it starts anew
    assert [line["step"] for line in logged(tmp_path / "out")] == list(range(1, 9))


def test_a_state_of_another_network_is_refused(drawings, tmp_path):
    for name in ("ViT-mini-8", "RN-mini"):
        with pytest.raises(InterruptedTrainingError):
            train(config(name), drawings, tmp_path / name, on_progress=stop_after(1))
    (tmp_path / "RN-mini" / "state.safetensors").replace(tmp_path / "ViT-mini-8" / "state.safetensors")
    with pytest.raises(VisavisError, match="cannot be read"):
        train(config("ViT-mini-8"), drawings, tmp_path / "ViT-mini-8")


def test_a_folder_belongs_to_one_run(drawings, tmp_path):
    train(config(samples=12), drawings, tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run of another recipe or data"):
        train(config(samples=12, seed=1), drawings, tmp_path / "run")
    fewer = Dataset(name="drawings", samples=drawings.samples[:-1])
    with pytest.raises(UsageError, match="holds a run of another recipe or data"):
        train(config(samples=12), fewer, tmp_path / "run")


def test_the_licence_changes_no_weight_and_so_not_the_run(drawings, tmp_path):
    with pytest.raises(InterruptedTrainingError):
        train(config(samples=12), drawings, tmp_path / "run", on_progress=stop_after(1))
    finished = train(config(samples=12, license="CC0-1.0"), drawings, tmp_path / "run")
    assert open_checkpoint(finished).about["license"] == "CC0-1.0"


def test_folders_that_cannot_be_used(drawings, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is not empty and holds no training run"):
        train(config(), drawings, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    for number, text in enumerate(["", "[]", "{}", '{"identity"', "3"]):  # run.json cut short or not ours
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "run.json").write_text(text)
        with pytest.raises(UsageError, match=r"cannot be used as the run's folder|holds a run of another"):
            train(config(), drawings, folder)
    with pytest.raises(UsageError, match="cannot be used as the run's folder"):
        train(config(), drawings, tmp_path / "mine" / "thesis.txt")
    with pytest.raises(UsageError, match="cannot be used as the run's folder"):
        train(config(), drawings, tmp_path / "mine" / "thesis.txt" / "below")


@pytest.mark.parametrize(
    ("architecture", "objective", "words"),
    [
        ("resnet-mini", "contrastive", 'resnet-mini trains with objective = "labels", not "contrastive"'),
        ("ViT-mini-8", "labels", 'ViT-mini-8 trains with objective = "contrastive", not "labels"'),
        ("ViT-mini-9", "contrastive", "Unknown architecture 'ViT-mini-9'. Did you mean ViT-mini-8"),
    ],
)
def test_recipes_that_do_not_fit(drawings, tmp_path, architecture, objective, words):
    with pytest.raises(UsageError, match=words):
        train(config(architecture, objective=objective), drawings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [60, 20_000], ids=["metrics", "state"])
def test_a_full_disk_loses_nothing(drawings, tmp_path, monkeypatch, limit):
    """Files above a limit cannot be written, as if the disk were full, once the second step is done."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    out, run = tmp_path / "out", config(samples=24)
    saved: list[bytes] = []

    def fill_the_disk(progress: Progress) -> None:
        if progress.step == 2:
            saved.append((out / "state.safetensors").read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))

    try:
        with pytest.raises(VisavisError, match=r"Cannot write .*(File too large|os error 27).*Free some space") as full:
            train(run, drawings, out, on_progress=fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not isinstance(full.value, UsageError)
    assert (out / "state.safetensors").read_bytes() == saved[0]
    assert not [path for path in out.iterdir() if path.suffix == ".tmp"]
    finished = train(run, drawings, out)  # space was made
    assert weights(finished) == weights(train(run, drawings, tmp_path / "unbroken"))


def test_divergence_is_said(drawings, tmp_path, monkeypatch):
    infinite = config("resnet-mini", objective="labels", augmentation="none")
    monkeypatch.setattr(loop, "label_loss", lambda scores, labels, smoothing: scores.sum() * math.inf)
    with pytest.raises(VisavisError, match=r"The loss is (nan|inf|-inf) at step 1: training diverged. Lower"):
        train(infinite, drawings, tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_tree_takes_two_steps(drawings, tmp_path, path):
    run = dataclasses.replace(read_recipe(path), samples=16, batch_size=8, warmup_samples=8)
    finished = train(run, drawings, tmp_path / "out")
    assert [line["step"] for line in logged(tmp_path / "out")] == [1, 2]
    assert all(math.isfinite(line["loss"]) for line in logged(tmp_path / "out"))
    assert all(bool(value.isfinite().all()) for value in open_checkpoint(finished).state.values())


@pytest.mark.parametrize("architecture", FOUR)
def test_training_learns_a_handful_of_images(drawings, tmp_path, architecture):
    run = config(
        architecture,
        samples=12 * 25,
        batch_size=12,
        warmup_samples=36,
        learning_rate=2e-3,
        augmentation="none",
    )
    train(run, drawings, tmp_path / "out")
    losses = [line["loss"] for line in logged(tmp_path / "out")]
    # Six things, two pictures each: chance is ln 6 = 1.79 for labels. Of 12 pairs it is ln 12 = 2.48, and the least
    # that spreading each target over two allows is ln 2 = 0.69.
    floor, chance = (0, math.log(6)) if run.objective == "labels" else (math.log(2), math.log(12))
    assert losses[0] > 0.7 * chance
    assert np.mean(losses[-5:]) - floor < 0.3 * (chance - floor)


def test_progress_says_what_is_left():
    progress = Progress(step=20, steps=100, batch_size=32, loss=1.0, learning_rate=0.1, images_per_s=64.0)
    assert progress.seconds_left == 40  # 80 steps of 32 images at 64 a second


def test_a_second_ctrl_c_interrupts_at_once():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(drawings, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        train(config(), drawings, tmp_path / "locked" / "out")
