from __future__ import annotations

from pathlib import Path

import pytest

from visavis.data.emoji import TASKS
from visavis.errors import UsageError
from visavis.models.clip import CLIPConfig
from visavis.train.recipe import TrainConfig, read_recipe
from visavis.zoo.architectures import find_config

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
LEAST = 'architecture = "ViT-mini-8"\ndata = "emoji-training"\nobjective = "contrastive"\nsamples = 1000\n'


@pytest.fixture
def recipe(tmp_path):
    def write(extra: str = "", text: str = LEAST) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(text + extra, encoding="utf-8")
        return path

    return write


def test_the_least_recipe(recipe):
    config = read_recipe(recipe())
    assert config == TrainConfig(
        architecture="ViT-mini-8", data="emoji-training", objective="contrastive", samples=1000
    )
    assert config.steps == 7  # 1000 images in batches of 128; the rest is not seen


def test_whole_numbers_serve_where_fractions_are_meant(recipe):
    config = read_recipe(recipe("weight_decay = 0\n"))
    assert config.weight_decay == 0.0
    assert type(config.weight_decay) is float


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_tree_loads_and_fits(path):
    config = read_recipe(path)
    contrastive = isinstance(find_config(config.architecture), CLIPConfig)
    assert contrastive == (config.objective == "contrastive")
    assert config.data in TASKS


def test_the_four_recipes_see_the_same_samples():
    square = [read_recipe(path) for path in RECIPES if path.stem.startswith("emoji-")]
    assert len(square) == 4
    assert len({(r.data, r.samples, r.seed, r.augmentation) for r in square}) == 1
    # of both trunks an objective asks the same; a contrastive batch is the larger, as its negatives are in it
    assert {(r.objective, r.batch_size) for r in square} == {("contrastive", 256), ("labels", 128)}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            "lerning_rate = 0.1\n",
            r"Unknown key 'lerning_rate' in '?.*recipe.toml'?. Did you mean learning_rate\?",
        ),
        ("Seed = 1\n", r"Unknown key 'Seed' in .* Did you mean seed\?"),
        ("[optimizer]\nlr = 1\n", "Unknown key 'optimizer'"),
        ('batch_size = "128"\n', "batch_size in .* must be a whole number, not '128'"),
        ("batch_size = 12.5\n", "batch_size in .* must be a whole number, not 12.5"),
        ("seed = true\n", "seed in .* must be a whole number, not True"),
        ('learning_rate = "fast"\n', "learning_rate in .* must be a number, not 'fast'"),
        ("learning_rate = 0.0\n", "learning_rate must lie between 1e-09 and 10, not 0.0"),
        ("learning_rate = nan\n", "learning_rate must lie between .* not nan"),
        ("learning_rate = inf\n", "learning_rate must lie between .* not inf"),
        ("batch_size = 1\n", "batch_size must lie between 2 and"),
        ("batch_size = 1001\n", r"samples \(1000\) must be at least batch_size \(1001\)"),
        ("warmup_samples = 1000\n", r"warmup_samples \(1000\) must be below samples \(1000\)"),
        ("seed = -1\n", "seed must lie between 0 and"),
        ("label_smoothing = 0.1\n", "label_smoothing belongs to objective"),
        (
            'augmentation = "icon"\n',
            r"augmentation in .* must be one of icons, none, not 'icon'. Did you mean icons",
        ),
        ('precision = "float16"\n', "precision in .* must be one of float32, bfloat16, not 'float16'"),
        ('precision = ["float32"]\n', "precision in .* must be one of float32, bfloat16"),
    ],
)
def test_mistakes_are_named(recipe, extra, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_recipe(recipe(extra))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("key", ["architecture", "data", "objective", "samples"])
def test_a_missing_key_is_named(recipe, key):
    text = "".join(line for line in LEAST.splitlines(keepends=True) if not line.startswith(key))
    with pytest.raises(UsageError, match=f"lacks the key '{key}'"):
        read_recipe(recipe(text=text))


def test_unreadable_recipes(tmp_path, recipe):
    with pytest.raises(UsageError, match=r"Cannot read the recipe .*no.toml.*No such file"):
        read_recipe(tmp_path / "no.toml")
    with pytest.raises(UsageError, match=r"Cannot read the recipe .*directory"):
        read_recipe(tmp_path)
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_recipe(recipe("samples = \n"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_recipe(binary)


def test_overrides(recipe):
    path = recipe()
    config = read_recipe(path, ["samples=500", "learning_rate = 2e-3", "data=my photos", 'augmentation="icons"'])
    assert (config.samples, config.learning_rate, config.data) == (500, 0.002, "my photos")
    assert config.augmentation == "icons"
    assert read_recipe(path, ["samples=500", "samples=600"]).samples == 600  # the last counts
    with pytest.raises(UsageError, match="--set takes key=value, not 'samples'"):
        read_recipe(path, ["samples"])
    with pytest.raises(UsageError, match=r"Unknown key 'sample'.* Did you mean samples"):
        read_recipe(path, ["sample=5"])
    with pytest.raises(UsageError, match=r"samples in .* must be a whole number, not 'many'"):
        read_recipe(path, ["samples=many"])
