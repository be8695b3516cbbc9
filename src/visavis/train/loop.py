"""The training loop: one step at a time, stoppable at every step, the same weights whether or not it was stopped.

A step depends on the weights, the optimizer's state and the step's number alone (`batches.batch_of_step`), so a
run that is killed and started again ends with the bits of an unbroken one, on the same machine and threads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from visavis.data.dataset import Dataset
from visavis.errors import UsageError, VisavisError
from visavis.models.clip import CLIP, CLIPConfig
from visavis.train.batches import Batch, TrainingSet, batch_of_step, load_training_set
from visavis.train.checkpointing import load_state, save_state
from visavis.train.interrupt import StopRequest
from visavis.train.losses import contrastive_loss, label_loss
from visavis.train.recipe import TrainConfig
from visavis.train.schedule import build_optimizer, learning_rate
from visavis.zoo.architectures import Config, build_model, find_config
from visavis.zoo.checkpoint import Checkpoint, save_checkpoint
from visavis.zoo.files import TEMPORARY, replacing
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.tokenizer import Tokenizer

SECONDS_BETWEEN_SAVES = 60.0
STEPS_BETWEEN_LOGS = 20
SHORT_SEQUENCE = 128  # tokens


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands, for whoever shows it."""

    step: int
    steps: int
    batch_size: int
    loss: float
    learning_rate: float
    images_per_s: float

    @property
    def seconds_left(self) -> float:
        """At the present rate."""
        return (self.steps - self.step) * self.batch_size / self.images_per_s


class InterruptedTrainingError(VisavisError):
    """The run was asked to stop and saved its state."""

    exit_code = 130


def train(
    config: TrainConfig,
    dataset: Dataset,
    out: Path,
    on_load: Callable[[int, int], None] = lambda done, total: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Trains as the recipe says, or goes on where an earlier call with the same recipe was stopped.

    Args:
        config: The recipe.
        dataset: Its samples whose part is not "test" are trained on.
        out: Folder of the run: `model.safetensors` at the end, `metrics.jsonl` and `state.safetensors` on the way.
        on_load: Called with images decoded and images in all.
        on_progress: Called every few steps.

    Returns:
        The path of the finished weights.

    Raises:
        UsageError: Architecture and objective do not fit, the data lack labels, or `out` holds another run.
        InterruptedTrainingError: Ctrl-C or a termination signal; the state is saved.
        VisavisError: The loss is no longer finite, or the disk is full.
    """
    architecture = find_config(config.architecture)
    contrastive = isinstance(architecture, CLIPConfig)
    if contrastive != (config.objective == "contrastive"):
        fitting = "contrastive" if contrastive else "labels"
        raise UsageError(f'{config.architecture} trains with objective = "{fitting}", not "{config.objective}".')
    finished = out / "model.safetensors"
    _claim(out, config, dataset)
    if finished.exists():
        return finished

    preprocess = _preprocess(architecture)
    tokenizer = None
    if isinstance(architecture, CLIPConfig):
        text = architecture.text
        tokenizer = Tokenizer(vocab_size=text.vocab_size, context_length=text.context_length)
    data = load_training_set(dataset, preprocess, tokenizer, on_load)
    if not isinstance(architecture, CLIPConfig):
        architecture = dataclasses.replace(architecture, num_classes=len(data.class_names))
    model = build_model(architecture, seed=config.seed).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    try:
        _run_steps(model, data, config, out, on_progress)
    except OSError as error:
        raise VisavisError(
            f"Cannot write to {str(out)!r}: {error.strerror or error}. Free some space; the same command then goes on "
            "from the last saved state."
        ) from error
    checkpoint = Checkpoint(
        config=architecture,
        preprocess=preprocess,
        state={name: value.contiguous() for name, value in model.state_dict().items()},
        class_names=None if contrastive else data.class_names,
        about={
            "recipe": dataclasses.asdict(config),
            "license": config.license,
            "trained_on": f"{dataset.name}: {len(data.pixels)} images, {len(data.class_names)} concepts",
            "data_sha256": dataset.fingerprint,
        },
    )
    save_checkpoint(finished, checkpoint, getattr(torch, config.saved_precision))
    (out / "state.safetensors").unlink(missing_ok=True)
    return finished


def _run_steps(
    model: nn.Module,
    data: TrainingSet,
    config: TrainConfig,
    out: Path,
    on_progress: Callable[[Progress], None],
) -> None:
    optimizer = build_optimizer(model, config)
    state_path, metrics_path = out / "state.safetensors", out / "metrics.jsonl"
    first = 0
    if state_path.exists():
        first = int(str(load_state(state_path, model, optimizer)["step"]))
    _keep_metrics_before(metrics_path, first)
    losses: list[float] = []
    last_save = last_log = time.monotonic()
    with StopRequest() as stop, metrics_path.open("a", encoding="utf-8") as metrics:
        for step in range(first, config.steps):
            rate = learning_rate(config, step)
            losses.append(_step(model, optimizer, batch_of_step(data, config, step), config, rate))
            done = step + 1
            if done % STEPS_BETWEEN_LOGS == 0 or done == config.steps:
                now = time.monotonic()
                speed = len(losses) * config.batch_size / (now - last_log)
                loss = _finite_mean(losses, done)
                progress = Progress(
                    step=done, steps=config.steps, batch_size=config.batch_size, loss=loss, learning_rate=rate,
                    images_per_s=speed,
                )  # fmt: skip
                metrics.write(
                    json.dumps({"step": done, "loss": loss, "learning_rate": rate, "images_per_s": speed}) + "\n"
                )
                metrics.flush()
                on_progress(progress)
                losses, last_log = [], now
            due = time.monotonic() - last_save > SECONDS_BETWEEN_SAVES
            if stop.requested or (due and done < config.steps):
                save_state(state_path, model, optimizer, {"step": done})
                last_save = time.monotonic()
            if stop.requested:
                raise InterruptedTrainingError(
                    f"Stopped after step {done} of {config.steps}; the state is in {str(state_path)!r}. The same "
                    "command goes on from there."
                )


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, config: TrainConfig, rate: float) -> float:
    """Forward, backward, clip, update; returns the loss."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    images = (batch.images * 2 - 1).contiguous(memory_format=torch.channels_last)  # mean and deviation one half
    bfloat16 = config.precision == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16), _attention_kernel(model, bfloat16):
        loss = _loss(model, images, batch, config)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
    optimizer.step()
    if isinstance(model, CLIP):
        model.clamp_logit_scale()
    return float(loss.detach())


def _loss(model: nn.Module, images: Tensor, batch: Batch, config: TrainConfig) -> Tensor:
    if isinstance(model, CLIP):
        image_embeddings = model.encode_image(images)  # [batch, embed_dim]
        text_embeddings = model.encode_text(batch.tokens)  # [batch, embed_dim]
        return contrastive_loss(image_embeddings, text_embeddings, model.logit_scale.exp(), batch.labels)
    return label_loss(model(images), batch.labels, config.label_smoothing)


def _attention_kernel(model: nn.Module, bfloat16: bool) -> AbstractContextManager[None]:
    """Plain matrix products for short sequences in bfloat16.

    A CPU's fused kernel takes 2.2 times as long there, forward and backward (128 sequences of 65 tokens, 3 heads); at
    197 tokens it is the faster one.
    """
    positions = [value for name, value in model.named_parameters() if name.endswith("positional_embedding")]
    short = all(len(value) <= SHORT_SEQUENCE for value in positions)  # [tokens, width]
    return sdpa_kernel(SDPBackend.MATH) if bfloat16 and short else nullcontext()


def _preprocess(architecture: Config) -> Preprocess:
    side, half = architecture.image_size, (0.5, 0.5, 0.5)
    return Preprocess(image_size=side, resize=side, mean=half, std=half)


def _claim(out: Path, config: TrainConfig, dataset: Dataset) -> None:
    """Makes the folder this run's own, or checks that it already is."""
    recipe = dataclasses.asdict(config)
    del recipe["license"]  # the one field that changes no weight
    run = {"recipe": recipe, "data_sha256": dataset.fingerprint}
    identity = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    marker = out / "run.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if marker.exists():
            if json.loads(marker.read_text(encoding="utf-8"))["identity"] != identity:
                raise UsageError(
                    f"{str(out)!r} holds a run of another recipe or data. Choose another --out, or delete that folder."
                )
        elif any(path.suffix != TEMPORARY for path in out.iterdir()):
            raise UsageError(f"{str(out)!r} is not empty and holds no training run. Choose another --out.")
        else:
            with replacing(marker) as temporary:
                temporary.write_text(json.dumps({"identity": identity, **run}, indent=1), encoding="utf-8")
        for left_by_a_kill in out.glob(f".*{TEMPORARY}"):
            left_by_a_kill.unlink()
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{str(out)!r} cannot be used as the run's folder ({error}). Choose another --out.") from error


def _keep_metrics_before(path: Path, first: int) -> None:
    """Drops lines that a killed run wrote after the state it resumes from."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= first:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError):
            continue  # a line cut short by the kill
    with replacing(path) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")


def _finite_mean(losses: list[float], step: int) -> float:
    mean = sum(losses) / len(losses)
    if not math.isfinite(mean):
        raise VisavisError(
            f"The loss is {mean} at step {step}: training diverged. Lower learning_rate or raise warmup_samples."
        )
    return mean
