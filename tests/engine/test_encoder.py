from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from visavis.data.decoding import UnreadableImage, decode_image
from visavis.engine.encoder import DEFAULT_TEMPLATES
from visavis.engine.load import load
from visavis.errors import UsageError
from visavis.models.clip import CLIP
from visavis.zoo.architectures import find_config
from visavis.zoo.checkpoint import Checkpoint, save_checkpoint


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_one_row_an_image_in_order(encoder, arrays):
    vectors = encoder.encode_images(arrays)
    assert vectors.shape == (7, encoder.embed_dim)
    assert vectors.dtype == np.float32
    alone = np.concatenate([encoder.encode_images([array]) for array in arrays])
    np.testing.assert_allclose(vectors, alone, atol=1e-5, rtol=1e-5)
    assert len({row.tobytes() for row in vectors.round(4)}) == 7


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 1000])
def test_the_batch_size_changes_nothing(clip, arrays, batch_size):
    usual = clip.encode_images(arrays)
    np.testing.assert_allclose(clip.encode_images(arrays, batch_size=batch_size), usual, atol=1e-5, rtol=1e-5)


def test_the_vectors_are_the_networks(encoder, arrays):
    pixels = encoder.preprocess(arrays[2])
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.float32
    with torch.no_grad():
        read = encoder.model.encode_image if isinstance(encoder.model, CLIP) else encoder.model.features
        np.testing.assert_allclose(encoder.encode_images([arrays[2]]), read(pixels[None]), atol=1e-6)


def test_files_bytes_arrays_and_pillow_agree(clip, arrays, tmp_path):
    path = tmp_path / "a picture <b>'s.png"
    Image.fromarray(arrays[1]).save(path)
    same = [path, str(path), path.read_bytes(), arrays[1], Image.fromarray(arrays[1]), Image.open(path)]
    vectors = clip.encode_images(same)
    for vector in vectors[1:]:
        np.testing.assert_allclose(vector, vectors[0], atol=1e-6)


def test_pillow_images_are_shown_as_files_are(clip, arrays):
    """Transparency over white, upright by EXIF, palettes: as decode_image does with the same picture's bytes."""
    base = Image.fromarray(arrays[3])
    clear = base.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(base.size))
    turned = base.copy()
    turned.getexif()[0x0112] = 6  # to be turned a quarter
    data = {
        "alpha": encoded(clear, "PNG"),
        "palette": encoded(base.quantize(16), "PNG"),
        "palette with a clear colour": encoded(base.quantize(16), "PNG", transparency=0),
        "turned": encoded(turned, "PNG", exif=turned.getexif()),
        "grey": encoded(base.convert("L"), "PNG"),
        "two colours": encoded(base.convert("1"), "PNG"),
        "CMYK": encoded(base.convert("CMYK"), "TIFF"),
    }
    for name, content in data.items():
        opened = Image.open(io.BytesIO(content))
        np.testing.assert_array_equal(clip.preprocess(opened), clip.preprocess(content), err_msg=name)
        assert opened.size in {base.size}  # the caller's picture is left as it was


def test_lists_generators_and_stacked_arrays(clip, arrays):
    stacked = np.stack([arrays[0], arrays[0][::-1]])
    as_list = clip.encode_images([stacked[0], stacked[1]])
    np.testing.assert_array_equal(clip.encode_images(stacked), as_list)
    np.testing.assert_array_equal(clip.encode_images(array for array in stacked), as_list)


def test_normalised_vectors_have_length_one(encoder, arrays):
    plain, unit = encoder.encode_images(arrays), encoder.encode_images(arrays, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("a.png", "Give a list of images, not a single one"),
        (Path("a.png"), "Give a list of images, not a single one"),
        (b"bytes", "Give a list of images, not a single one"),
        (Image.new("RGB", (4, 4)), "Give a list of images, not a single one"),
        (np.zeros((4, 4, 3), np.uint8), "Give a list of images, not a single one"),
        ([], "The list of images is empty"),
        (["no/such/file.png"], "Cannot read the image 'no/such/file.png': No such file"),
        (["a\0b"], "Cannot read the image"),
        (["."], r"Cannot read the image '.': .*directory"),
        ([np.zeros((4, 4), np.uint8)], r"must be uint8 \[height, width, 3\], not uint8 \[4, 4\]"),
        ([np.zeros((4, 4, 4), np.uint8)], r"not uint8 \[4, 4, 4\]"),
        ([np.zeros((4, 4, 3))], r"not float64 \[4, 4, 3\]"),
        ([np.zeros((0, 4, 3), np.uint8)], r"not uint8 \[0, 4, 3\]"),
        ([None], "An image is a path, bytes, a Pillow image or an array, not NoneType"),
        ([3], "not int"),
    ],
)
def test_what_is_no_image(clip, images, words):
    with pytest.raises(UsageError, match=words):
        clip.encode_images(images)


def test_broken_files_are_named(clip, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(UnreadableImage, match=r"broken.png' is empty: 0 bytes"):
        clip.encode_images([tmp_path / "broken.png"])
    with pytest.raises(UnreadableImage, match="not an image"):
        clip.encode_images([b"hello"])


def test_impossible_batch_sizes(clip, arrays):
    for call in (
        lambda: clip.encode_images(arrays, batch_size=0),
        lambda: clip.encode_texts(["a"], batch_size=-1),
    ):
        with pytest.raises(UsageError, match=r"batch_size must be at least 1, not (0|-1)"):
            call()


@pytest.mark.filterwarnings("ignore::visavis.errors.TextsCut")  # the tiny tower reads 16 tokens
def test_texts_in_order_and_in_any_batch(clip):
    texts = ["a dog", "", "a very long text " * 20, "\U0001f600", "a cat"]
    vectors = clip.encode_texts(texts)
    assert vectors.shape == (5, 6)
    assert vectors.dtype == np.float32
    for size in (1, 2):
        np.testing.assert_allclose(clip.encode_texts(texts, batch_size=size), vectors, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(clip.encode_texts(texts, normalize=True), axis=1), 1, atol=1e-5)
    assert clip.tokenize(texts).shape == (5, 16)


def test_texts_must_be_a_list(clip):
    for wrong in ("a dog", []):
        with pytest.raises(UsageError, match="Texts must be a list of at least one text"):
            clip.encode_texts(wrong)


@pytest.mark.parametrize("family", ["supervised-resnet", "supervised-vit"])
def test_a_model_of_labels_has_no_texts(make, arrays, family):
    encoder = make(family)
    assert not encoder.has_text
    assert encoder.logit_scale is None
    for call in (
        lambda: encoder.encode_texts(["a dog"]),
        lambda: encoder.tokenize(["a dog"]),
        lambda: encoder.zero_shot_classifier(["a dog"]),
        lambda: encoder.classify(arrays, ["a dog"]),
    ):
        with pytest.raises(UsageError, match=f"'tiny {family}' has no text tower: it was trained on labels"):
            call()


@pytest.mark.parametrize("family", ["supervised-resnet", "supervised-vit"])
def test_a_head_reads_the_vectors(make, arrays, family):
    encoder = make(family, seed=3)
    torch.nn.init.normal_(encoder.model.get_submodule("fc" if family.endswith("resnet") else "head").weight)
    weight, bias = encoder.head
    assert weight.shape == (3, encoder.embed_dim)
    with torch.no_grad():
        scores = encoder.model(torch.stack([encoder.preprocess(array) for array in arrays]))
    np.testing.assert_allclose(encoder.encode_images(arrays) @ weight.T + bias, scores, atol=1e-4, rtol=1e-4)


def test_a_clip_says_what_it_is(clip):
    assert (clip.family, clip.embed_dim, clip.image_size, clip.has_text) == ("clip-vit", 6, 32, True)
    assert clip.head is None
    assert clip.class_names is None
    assert clip.logit_scale == pytest.approx(1 / 0.07, rel=1e-6)


@pytest.mark.filterwarnings("ignore::visavis.errors.TextsCut")  # the tiny tower reads 16 tokens
def test_classifier_rows_are_mean_prompts_of_length_one(clip):
    templates = ["a photo of a {}.", "{}", "an emoji of {}, or of {}"]
    rows = clip.zero_shot_classifier(["red apple", "dog"], templates)
    assert rows.shape == (2, 6)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    prompts = ["a photo of a dog.", "dog", "an emoji of dog, or of dog"]
    mean = clip.encode_texts(prompts, normalize=True).mean(axis=0)
    np.testing.assert_allclose(rows[1], mean / np.linalg.norm(mean), atol=1e-5)
    usual = clip.zero_shot_classifier(["dog"])
    np.testing.assert_allclose(
        usual, clip.encode_texts([DEFAULT_TEMPLATES[0].format("dog")], normalize=True), atol=1e-5
    )


def test_names_with_braces_and_percent_signs_are_taken_as_they_are(clip):
    rows = clip.zero_shot_classifier(["{0}", "100%", "{}"], ["a {} b"])
    np.testing.assert_allclose(rows[0], clip.encode_texts(["a {0} b"], normalize=True)[0], atol=1e-5)


@pytest.mark.filterwarnings("ignore::visavis.errors.TextsCut")  # the tiny tower reads 16 tokens
def test_a_class_does_not_depend_on_the_others(clip):
    together = clip.zero_shot_classifier(["dog", "cat", "a much longer name of a class"])
    np.testing.assert_allclose(together[0], clip.zero_shot_classifier(["dog"])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("names", "templates", "words"),
    [
        (["dog"], ["a photo"], r"template 'a photo' has no \{\} where the class name goes"),
        (["dog"], ["{}", "a {name}"], r"template 'a \{name\}' has no"),
        (["dog"], "a {}", r"Prompt templates must be a list: \['a \{\}'\]"),
        ([], None, r"Class names must be a list of at least one text, not \[\]"),
        ("dog", None, "Class names must be a list of at least one text, not 'dog'"),
    ],
)
def test_mistaken_classifiers(clip, names, templates, words):
    with pytest.raises(UsageError, match=words):
        clip.zero_shot_classifier(names, templates)


def test_classify(clip, arrays, tmp_path):
    path = tmp_path / "x.png"
    Image.fromarray(arrays[0]).save(path)
    names = ["dog", "cat", "bird"]
    table = clip.classify([path, arrays[1]], names)
    assert list(table.columns) == ["image", "label", "probability"]
    assert table["image"].tolist() == [str(path)] * 3 + [1] * 3
    for image, rows in table.groupby("image", sort=False):
        assert sorted(rows["label"]) == sorted(names)
        assert rows["probability"].sum() == pytest.approx(1, abs=1e-6)
        assert rows["probability"].is_monotonic_decreasing
        array = arrays[0] if image == str(path) else arrays[1]
        logits = clip.encode_images([array], normalize=True)[0] @ clip.zero_shot_classifier(names).T / 0.07
        expected = np.exp(logits) / np.exp(logits).sum()
        assert rows.set_index("label")["probability"].loc[names].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_fingerprints_tell_weights_and_preprocessing_apart(make):
    one, same = make("clip-vit"), make("clip-vit")
    assert one.fingerprint == same.fingerprint
    others = [
        make("clip-vit", seed=1),
        make("clip-vit", interpolation="bilinear"),
        make("clip-vit", resize=36),
    ]
    others += [make("clip-resnet"), make("supervised-vit")]
    nudged = make("clip-vit")
    with torch.no_grad():
        nudged.model.visual.proj[0, 0] += 1e-6
    assert len({one.fingerprint, nudged.fingerprint, *(other.fingerprint for other in others)}) == 7


CHANGES = {
    "in place": lambda model: next(model.parameters()).mul_(1.5),
    "loaded": lambda model: model.load_state_dict({name: 1.5 * value for name, value in model.state_dict().items()}),
    "replaced": lambda model: setattr(model.conv1, "weight", torch.nn.Parameter(1.5 * model.conv1.weight, False)),
    "a norm's statistic": lambda model: model.bn1.running_mean.add_(0.5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_encoded_with(make, arrays, change):
    encoder = make("supervised-resnet")
    encoder.encode_images(arrays)
    fingerprint = encoder.fingerprint
    torch.manual_seed(0)
    with torch.no_grad():
        CHANGES[change](encoder.model)
    wanted = encoder.encode_pixels(torch.stack([encoder.preprocess(array) for array in arrays])).numpy()
    np.testing.assert_allclose(encoder.encode_images(arrays), wanted, rtol=0, atol=1e-5 * abs(wanted).max())
    assert encoder.fingerprint != fingerprint


def test_unchanged_weights_keep_their_engine(make):
    encoder = make("supervised-resnet")
    encoder.wanted_engine = "torch"
    first = encoder.open_engine(1, torch.zeros)
    assert encoder.open_engine(1, torch.zeros) is first
    assert list(encoder.engines_used.items()) == [(first.identity, "as asked")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_names_its_image(clip, value):
    pixels = torch.zeros(4, 3, 32, 32)
    pixels[2, 1, 5, 6] = value
    with pytest.raises(
        UsageError, match=r"^Image 2, counted from 0, has pixels that are NaN or infinite, as have 1 of"
    ):
        clip.encode_pixels(pixels)
    floats = [image.permute(1, 2, 0).numpy() for image in pixels]
    with pytest.raises(
        UsageError, match=r"^Image 2, .* not float32 \[32, 32, 3\] with values that are NaN or infinite"
    ):
        clip.encode_images(floats)
    with pytest.raises(UsageError, match=r"^Image 1, counted from 0: An image array must be uint8 .* not float32"):
        clip.encode_images([np.zeros((8, 8, 3), np.uint8), *floats[:2]])


def test_load_by_name_and_by_file(tmp_path, arrays):
    fresh = load("ViT-mini-8", weights=None, seed=4)
    assert (fresh.name, fresh.family, fresh.embed_dim) == ("ViT-mini-8", "clip-vit", 128)
    path = tmp_path / "mine.safetensors"
    state = fresh.model.state_dict()
    save_checkpoint(
        path, Checkpoint(config=find_config("ViT-mini-8"), preprocess=fresh.preprocessing, state=state, about={"a": 1})
    )
    loaded = load(path)
    assert loaded.about == {"a": 1}
    assert loaded.fingerprint == fresh.fingerprint
    expected = fresh.encode_images(arrays[:2])
    # weights mapped from a file begin elsewhere in memory: some processors' products then add up in another order
    np.testing.assert_allclose(loaded.encode_images(arrays[:2]), expected, rtol=0, atol=1e-6 * abs(expected).max())
    with pytest.raises(UsageError, match=r"Unknown model 'ViT-mini-9'. Did you mean ViT-mini-8"):
        load("ViT-mini-9")


def test_nothing_is_trained_by_encoding(clip, arrays):
    before = clip.fingerprint
    clip.encode_images(arrays)
    assert copy.deepcopy(clip).fingerprint == before  # hashed again, as its weights lie elsewhere
    assert not clip.model.training
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())


def test_decoded_and_raw_pictures_agree(clip, samples, arrays):
    np.testing.assert_array_equal(np.asarray(decode_image(samples[0].data)), arrays[0])
