"""Every peer's checkpoints in and out: names, shapes, settings and outputs, against the live peers.

Small networks of every peer, with random weights, saved as the peer saves them; full-size ones by names and shapes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import packaging
import packaging.version
import pytest
import timm
import torch
import torchvision
import transformers
from comparing import assert_close, pictures, randomised, shapes, tokens
from PIL import Image
from saved_by_peers import BLOCKS, IMAGES, SAVERS, TEXT, VIT, Saved, torchvision_resnet
from torch import Tensor, nn

from visavis.errors import VisavisError
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import ARCHITECTURES, Config, Model, build_model, find_config, outline_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import convert, misfit
from visavis.zoo.layouts.names import find_layout, from_visavis, to_visavis
from visavis.zoo.layouts.reading import UnknownSettingError, read_config
from visavis.zoo.layouts.tables import LAYOUTS
from visavis.zoo.layouts.writing import hugging_face_files, open_clip_files, timm_files
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.sidecars import hugging_face_preprocess, open_clip_preprocess, timm_preprocess


@pytest.fixture(autouse=True)
def _no_gradients():
    torch.manual_seed(4)
    with torch.no_grad():
        yield


@pytest.fixture(params=SAVERS)
def saved(request: pytest.FixtureRequest, tmp_path: Path, openai_model_module: types.ModuleType) -> Saved:
    return SAVERS[request.param](tmp_path / "saved", openai_model_module)


def test_files_are_read_exactly(saved, tell):
    layout = find_layout(saved.tensors)
    assert layout.name == saved.layout
    config = read_config(layout, saved.tensors, saved.sidecar, config=saved.named)
    assert config == saved.config
    state = to_visavis(layout, saved.tensors, config)
    tell("small networks", layout.name, "its own", compare_outputs(filled(config, state), saved.peer))
    back = from_visavis(layout, state, config)
    assert set(saved.tensors) == back.keys() | saved.dropped
    for name, tensor in back.items():
        assert identical(tensor, saved.tensors[name]), name


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")  # OpenAI's loader tries it first
def test_what_is_written_is_read_by_its_peers(saved, tmp_path, tell):
    """By all that have the network, each with its own loader. OpenAI's halves the precision, so it is halved before."""
    state = to_visavis(find_layout(saved.tensors), saved.tensors, saved.config)
    state = {name: tensor.half().float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    image_size = saved.config.image_size
    preprocess = Preprocess(image_size=image_size, resize=image_size, interpolation="bilinear")
    checkpoint = Checkpoint(config=saved.config, preprocess=preprocess, state=state)
    ours = filled(saved.config, state)
    targets = [target for target in LOADERS if misfit(checkpoint, target) is None]
    for target in targets:
        written = convert(checkpoint, target, tmp_path / f"{target}{SUFFIXES.get(target, '')}")
        peer = LOADERS[target](written.path, saved.config)
        if any("layer norms" in note for note in written.notes):  # it cannot be told the eps, so only loads
            assert saved.config.eps == 1e-12
        else:
            tell("small networks", "written by visavis", target, compare_outputs(ours, peer))
    assert targets


@pytest.mark.parametrize("name", [name for name, config in ARCHITECTURES.items() if isinstance(config, CLIPConfig)])
@pytest.mark.parametrize("suffix", ["", "-quickgelu"])
def test_open_clip_architectures(name, suffix):
    """Names, shapes and settings at full size, without memory for weights."""
    described = open_clip.get_model_config(name + suffix)
    if described is None:
        pytest.skip(f"open_clip has no {name + suffix}")
    with torch.device("meta"):
        peer = open_clip.CLIP(**described)
    check_outline(
        peer.state_dict(), find_config(name + suffix), {"model_cfg": open_clip.get_model_config(name + suffix)}
    )


@pytest.mark.parametrize("name", [name for name, config in ARCHITECTURES.items() if not isinstance(config, CLIPConfig)])
def test_timm_architectures(name):
    if not timm.is_model(name):
        pytest.skip(f"timm has no {name}")
    with torch.device("meta"):
        peer = timm.create_model(name)
    config = find_config(name)
    check_outline(peer.state_dict(), config)
    preprocess = Preprocess(image_size=config.image_size, resize=config.image_size)
    assert timm_files(config, preprocess, None)["config.json"]["architecture"] == name


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        *((name, name) for name, config in ARCHITECTURES.items() if isinstance(config, ResNetConfig)),
        ("vit_base_patch16_224", "vit_b_16"),
        ("vit_base_patch32_224", "vit_b_32"),
        ("vit_large_patch16_224", "vit_l_16"),
        ("vit_large_patch32_224", "vit_l_32"),
        ("vit_huge_patch14_224", "vit_h_14"),
    ],
)
def test_torchvision_architectures(name, theirs):
    if theirs not in torchvision.models.list_models():
        pytest.skip(f"torchvision has no {theirs}")
    with torch.device("meta"):
        peer = torchvision.models.get_model(theirs)
    check_outline(peer.state_dict(), find_config(name))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_hugging_face_architectures(name):
    """From the configuration that visavis writes, transformers makes a network of the same names and shapes."""
    config = find_config(name)
    preprocess = Preprocess(image_size=config.image_size, resize=config.image_size)
    outline = Checkpoint(config=config, preprocess=preprocess, state=outline_model(config).state_dict())
    if misfit(outline, "hf"):
        pytest.skip(f"transformers has no {name}")
    described = hugging_face_files(config, preprocess, None)["config.json"]
    with torch.device("meta"):
        peer = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**described))
        if not isinstance(config, CLIPConfig):
            peer = transformers.AutoModelForImageClassification.from_config(peer.config)
    check_outline(peer.state_dict(), config, peer.config.to_dict())


def test_npz_files_are_read_as_timm_reads_them(tmp_path):
    """Both ages and all roots; timm's reader of them is the live peer."""
    config = dataclasses.replace(VIT, num_classes=10)
    peer = randomised(timm.models.VisionTransformer(48, 16, depth=3, num_heads=4, embed_dim=96, num_classes=10))
    state = to_visavis(LAYOUTS["timm-vit"], peer.state_dict(), config)
    npz = LAYOUTS["npz-vit"]
    for number, renames in enumerate((npz.renames, *npz.spellings)):
        arrays = from_visavis(dataclasses.replace(npz, renames=renames), state, config)
        file = tmp_path / f"{number}.npz"
        np.savez(file, **{name: tensor.numpy() for name, tensor in arrays.items()})
        theirs = timm.models.VisionTransformer(48, 16, depth=3, num_heads=4, embed_dim=96, num_classes=10)
        theirs.load_pretrained(str(file))
        for name, tensor in theirs.state_dict().items():
            assert identical(tensor, peer.state_dict()[name]), name
        with np.load(file) as opened:
            read = {name: torch.from_numpy(opened[name]) for name in opened.files}
        layout = find_layout(read)
        assert layout.renames == renames
        assert read_config(layout, read) == config  # its heads too: Flax keeps them apart
        assert all(identical(to_visavis(layout, read, config)[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("deit_tiny_distilled_patch16_224", {}, "dist_token"),
        ("deit3_small_patch16_224", {}, "gamma"),
        ("vit_small_patch16_224", {"global_pool": "avg"}, "fc_norm"),
        ("vit_small_patch14_reg4_dinov2", {}, "reg_token"),
        ("vit_tiny_patch16_224", {"qk_norm": True}, "q_norm"),
        ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg", "fc_norm": False}, "cls_token"),
        ("vit_base_patch32_clip_224", {}, "norm_pre"),
        ("vit_base_patch16_siglip_224", {}, "attn_pool"),
        ("beit_base_patch16_224", {}, "layer scale"),
        ("resnet50d", {}, "conv1.0"),
        ("seresnet50", {}, "se"),
        ("ecaresnet50d", {}, "conv1.0"),
        ("resnet50_clip", {}, "attnpool"),
    ],
)
def test_other_networks_of_timm_are_refused(name, arguments, shown):
    """None is loaded, whatever it has in common with the plain one."""
    with torch.device("meta"):
        tensors = timm.create_model(name, **arguments).state_dict()
    with pytest.raises(VisavisError) as refused:
        read_whole(tensors)
    assert shown in str(refused.value) or "no network that visavis knows" in str(refused.value)


@pytest.mark.parametrize("name", ["resnetaa50", "resnet50c", "resnetv2_50", "vit_base_patch16_gap_224"])
def test_the_name_beside_the_weights_can_show_another_network(name):
    with torch.device("meta"):
        tensors = timm.create_model("resnet50").state_dict()
    with pytest.raises(VisavisError, match=name):
        read_config(find_layout(tensors), tensors, {"architecture": name})


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize(("image_size", "resize"), [(64, 64), (64, 73), (224, 256), (224, 235), (288, 303)])
def test_preprocessing_is_written_as_it_is_read(image_size, resize, mode):
    """The peers' readers here are those of `sidecars.py`, which the peers' own transforms check."""
    preprocess = Preprocess(
        image_size=image_size, resize=resize, interpolation="bilinear", resize_mode=mode, mean=(0.1, 0.2, 0.3)
    )
    config = dataclasses.replace(VIT, image_size=image_size)
    written = hugging_face_files(config, preprocess, None)["preprocessor_config.json"]
    assert hugging_face_preprocess(written) == dataclasses.replace(preprocess, crop_rounding="down")
    assert timm_preprocess(timm_files(config, preprocess, None)["config.json"]) == preprocess
    clip = CLIPConfig(visual=dataclasses.replace(IMAGES["vit"], image_size=image_size), text=TEXT)
    fitting = dataclasses.replace(preprocess, resize=image_size)
    written = open_clip_files(clip, fitting)["open_clip_config.json"]
    assert open_clip_preprocess(written, image_size) == fitting


def test_transformers_prepares_pictures_as_written(tmp_path):
    """Its Pillow processor, to the last bit before the weights."""
    preprocess = Preprocess(image_size=64, resize=73, interpolation="bilinear", mean=(0.1, 0.2, 0.3))
    written = hugging_face_files(VIT, preprocess, None)["preprocessor_config.json"]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(written))
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    picture = Image.fromarray((np.random.default_rng(1).random((90, 131, 3)) * 255).astype(np.uint8))
    theirs = processor(picture, return_tensors="np")["pixel_values"][0]
    ours = preprocess.normalise(preprocess.pixels(picture))
    assert np.abs(theirs - ours).max() < 1e-6


def test_class_names_go_along(tmp_path):
    saved = torchvision_resnet("basic", (1, 1, 1, 1))
    names = tuple(f"thing {number}" for number in range(10))
    preprocess = Preprocess(image_size=224, resize=256)
    checkpoint = Checkpoint(config=saved.config, preprocess=preprocess, state=saved.tensors, class_names=names)
    folder = convert(checkpoint, "hf", tmp_path / "hf").path
    assert transformers.AutoConfig.from_pretrained(folder).id2label == dict(enumerate(names))
    folder = convert(checkpoint, "timm", tmp_path / "timm").path
    assert tuple(timm.create_model(f"local-dir:{folder}", pretrained=True).pretrained_cfg["label_names"]) == names


# how each peer loads and computes


def load_openai(file: Path, config: Config) -> nn.Module:
    """OpenAI's package asks setuptools, which no longer brings it, for `packaging`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "pkg_resources", types.SimpleNamespace(packaging=packaging))
        import clip
    return clip.load(str(file), device="cpu")[0]


def load_open_clip(folder: Path, config: Config) -> nn.Module:
    return open_clip.create_model_and_transforms(f"local-dir:{folder}")[0].eval()


def load_transformers(folder: Path, config: Config) -> nn.Module:
    kinds = {CLIPConfig: transformers.CLIPModel}
    network = kinds.get(type(config), transformers.AutoModelForImageClassification)
    peer, differences = network.from_pretrained(folder, output_loading_info=True)
    assert not any(differences.values()), differences
    return peer.eval()


def load_timm(folder: Path, config: Config) -> nn.Module:
    return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()


def load_torchvision(file: Path, config: Config) -> nn.Module:
    if isinstance(config, ResNetConfig):
        peer = torchvision.models.ResNet(
            BLOCKS[config.block],
            list(config.layers),
            num_classes=config.num_classes,
            groups=config.groups,
            width_per_group=config.width_per_group,
        )
    else:
        sizes = (config.image_size, config.patch_size, config.layers, config.heads, config.width)
        mlp_width = config.mlp_width or 4 * config.width
        peer = torchvision.models.VisionTransformer(*sizes, mlp_width, num_classes=config.num_classes)
    peer.load_state_dict(torch.load(file), strict=True)
    return peer.eval()


SUFFIXES = {"openai": ".pt", "torchvision": ".pth"}
LOADERS = {
    "openai": load_openai,
    "open_clip": load_open_clip,
    "hf": load_transformers,
    "timm": load_timm,
    "torchvision": load_torchvision,
}


def compare_outputs(ours: Model, peer: nn.Module) -> float:
    """Features, scores and scale; the largest difference as a fraction of the output's scale."""
    images = pictures(3, ours.config.image_size)
    if not isinstance(ours, CLIP):
        return assert_close(ours(images), scores_of(peer, images))
    texts = tokens(ours.config.text)
    image_features, text_features, logits = clip_outputs(peer, images, texts)
    assert torch.equal(ours.logit_scale.exp(), peer.logit_scale.exp())
    return max(
        assert_close(ours.encode_image(images), image_features),
        assert_close(ours.encode_text(texts), text_features),
        assert_close(ours(images, texts), logits),
    )


def scores_of(peer: nn.Module, images: Tensor) -> Tensor:
    scores = peer(images)
    if isinstance(peer, transformers.ViTModel):
        return scores.last_hidden_state[:, 0]
    return scores if isinstance(scores, Tensor) else scores.logits


def clip_outputs(peer: nn.Module, images: Tensor, texts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features of images and texts, and the scaled similarities."""
    if isinstance(peer, transformers.CLIPModel):
        logits = peer(input_ids=texts, pixel_values=images).logits_per_image
        image_features = peer.get_image_features(images).pooler_output
        return image_features, peer.get_text_features(texts).pooler_output, logits
    logits = peer.get_logits(images, texts) if hasattr(peer, "get_logits") else peer(images, texts)
    return peer.encode_image(images), peer.encode_text(texts), logits[0]


def read_whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    layout = find_layout(tensors)
    return to_visavis(layout, tensors, read_config(layout, tensors))


def filled(config: Config, state: dict[str, Tensor]) -> Model:
    model = build_model(config)
    model.load_state_dict(state, strict=True)
    return model


def identical(tensor: Tensor, other: Tensor) -> bool:
    """The same dtype, shape and bits."""
    same = tensor.dtype == other.dtype and tensor.shape == other.shape
    return same and tensor.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()


def check_outline(tensors: dict[str, Tensor], config: Config, sidecar: dict[str, Any] | None = None) -> None:
    """A full-size network of a peer's, without memory: its configuration is read, and all its names and shapes fit."""
    layout = find_layout(tensors)
    if isinstance(config, CLIPConfig) and sidecar is None:
        with pytest.raises(UnknownSettingError):
            read_config(layout, tensors)
    read = read_config(layout, tensors, sidecar)
    free = {}  # what the architecture's name does not say
    if not isinstance(config, CLIPConfig):
        free["num_classes"] = read.num_classes
    if isinstance(config, ResNetConfig):
        free["image_size"] = read.image_size
    assert read == dataclasses.replace(config, **free)
    assert shapes(to_visavis(layout, tensors, read)) == shapes(outline_model(read).state_dict())
