"""A snapshot of what users type and read. A change here is a change to their scripts: it belongs in CHANGELOG.md."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import visavis
from visavis.cli import app


def test_public_names():
    assert visavis.__all__ == [
        "Anatomy", "Encoder", "Study", "UsageError", "VisavisError", "compare", "inspect", "list_models", "load",
    ]  # fmt: skip
    assert set(visavis.__all__) <= set(dir(visavis))
    for name in visavis.__all__:
        assert getattr(visavis, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'comprae'"):
        visavis.comprae  # noqa: B018


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("list_models", "pattern='*'"),
        (
            "load",
            "name, weights='auto', seed=0, architecture=None, image_size=None, engine='auto', decode='exact', "
            "crop='own'",
        ),
        ("inspect", "model, image_size=None"),
        (
            "compare",
            "models, data, out=None, *, views=(), templates=None, classes=(), measures=(), others=None, exclude=(), "
            "test_fraction=0.5, resolution=None, crop='own', equal=None, margin=0.02, seed=0, effort='usual', "
            "progress=…, tell=…",
        ),
        ("Encoder.encode_images", "self, images, batch_size=32, normalize=False"),
        ("Encoder.encode_texts", "self, texts, batch_size=256, normalize=False"),
        ("Encoder.zero_shot_classifier", "self, classnames, templates=None"),
        ("Encoder.classify", "self, images, classnames, templates=None"),
        ("Encoder.preprocess", "self, image"),
        ("Encoder.tokenize", "self, texts"),
        ("Study.report", "self, path"),
        ("Study.save", "self, out"),
    ],
)
def test_signatures(function, parameters):
    found = visavis
    for name in function.split("."):
        found = getattr(found, name)
    signature = inspect.signature(found)
    shown = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=Lambda() if inspect.isfunction(parameter.default) else parameter.default,
        )
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    assert text == f"({parameters})"


class Lambda:
    """Stands for a function that is a default value."""

    def __repr__(self) -> str:
        return "…"


def test_what_an_encoder_says_of_itself():
    encoder = visavis.load("ViT-mini-8", weights=None)
    said = {
        name: getattr(encoder, name)
        for name in ("name", "family", "embed_dim", "image_size", "has_text", "class_names", "head")
    }
    assert said == {
        "name": "ViT-mini-8", "family": "clip-vit", "embed_dim": 128, "image_size": 64, "has_text": True,
        "class_names": None, "head": None,
    }  # fmt: skip
    assert encoder.logit_scale == pytest.approx(1 / 0.07)


def test_errors_are_what_callers_catch():
    assert issubclass(visavis.UsageError, ValueError)
    assert issubclass(visavis.UsageError, visavis.VisavisError)
    assert (visavis.VisavisError.exit_code, visavis.UsageError.exit_code) == (1, 2)


def test_commands_and_options():
    commands = {name: app[name] for name in app if not name.startswith("-")}
    commands["atlas decisions"] = app["atlas"]["decisions"]
    found = {
        name: sorted(
            option
            for argument in command.assemble_argument_collection(default_parameter=app.default_parameter)
            for option in argument.names
            if option.startswith("-")
        )
        for name, command in commands.items()
    }
    assert found == {
        "atlas": ["--out", "--study"],
        "atlas decisions": ["--out", "--seed"],
        "list": ["--cached", "--pattern"],
        "fetch": [],
        "convert": ["--checkpoint", "--out", "--to"],
        "export": ["--calibrate", "--format", "--int8", "--model", "--out"],
        "doctor": ["--file"],
        "diff": ["--image", "--out", "--text"],
        "inspect": ["--data", "--depth", "--image", "--out"],
        "explain": ["--check", "--class", "--method", "--out", "--text"],
        "bench": ["--against", "--batch-size", "--out", "--rounds", "--work"],
        "compare": [
            "--classes",
            "--classes-file",
            "--crop",
            "--data",
            "--equal",
            "--exclude",
            "--margin",
            "--measures",
            "--others",
            "--out",
            "--quick",
            "--resolution",
            "--resume",
            "--seed",
            "--template",
            "--test-fraction",
            "--thorough",
            "--view",
        ],
        "embed": ["--data", "--decode", "--engine", "--float16", "--model", "--out", "--ray", "--view"],
        "search": ["--data", "--decode", "--image", "--model", "--out", "--text", "--top"],
        "classify": ["--labels", "--labels-file", "--other", "--out", "--template", "--top"],
        "cache": ["--max-size", "--prune"],
        "demo": ["--out"],
        "report": ["--out"],
        "train": ["--out", "--recipe", "--set", "--threads"],
    }


def test_tables(study_folder):
    import pandas as pd

    columns = {name: list(pd.read_csv(study_folder / f"{name}.csv")) for name in ("results", "pairs", "effects")}
    assert columns == {
        "results": [
            "model", "view", "measure", "metric", "value", "low", "high", "n", "draw_low", "draw_high", "tie_group",
        ],
        "pairs": [
            "model_a", "model_b", "view", "measure", "metric", "difference", "low", "high", "n", "discordant",
            "p_value", "p_adjusted", "design_effect", "margin", "p_equivalence", "p_equivalence_adjusted", "verdict",
        ],
        "effects": ["view", "measure", "effect", "description", "difference", "low", "high", "n"],
    }  # fmt: skip


def test_import_is_light():
    """`import visavis` and asking for its errors bring in neither torch nor pandas."""
    program = (
        "import sys, visavis; visavis.UsageError;"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'scipy', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
