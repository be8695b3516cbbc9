"""What may be wrong with the images themselves: near-duplicates, doubted labels, images unlike the rest.

Models have to agree, since one model's blind spot makes images alike, or labels doubtful, that are not: all of them on
duplicates and labels, most of them on images unlike the rest.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from visavis.data.dataset import Sample
from visavis.data.in_order import in_order
from visavis.data.views import parse_view
from visavis.engine.pictures import read_picture
from visavis.evaluate.duplicates import HASH_SIDE, centred, perceptual_hash, similar_pairs, similarity_of
from visavis.evaluate.out_of_distribution import NEIGHBOUR, neighbour_similarity
from visavis.evaluate.quality import doubted_labels, is_outside
from visavis.evaluate.scores import require_finite
from visavis.study.chapters.chapter import Material
from visavis.study.chapters.scored import images_of, measures_shown, models_of, probabilities_of

ALIKE = 0.7  # cosine of centred vectors in every model; a copy at another brightness or compression is above
SAME_BITS = 6  # of the 64 of the hash may differ, as between a picture and its copy at another size
TWINS, ROUGHLY = 0.95, 16  # or this cosine and so many bits: a cropped copy; half of the bits differ by chance
MOST_PAIRS = 20_000
FEWEST_FOR_OUTLIERS = 50  # images; quartiles of fewer say little
JUDGES = ("linear_probe", "knn")  # measures that learn what a label means here, the first there is

LEAK, COPY, TWO_LABELS = "leak", "copy", "two labels"


def find_duplicates(material: Material, vectors: list[np.ndarray]) -> pd.DataFrame:
    """Pairs of images that are nearly the same, the most alike first.

    Args:
        material: Of the study.
        vectors: Each model's, of the training part and then the test part, [images, embed_dim].

    Returns:
        sample_a, sample_b, part_a, part_b, relation ("leak": one trains and one tests, under one label; "copy": both in
        one part; "two labels": under different ones), similarity (the least of all models), bits (of the hash that
        differ).
    """
    samples = (*material.plan.part("train"), *material.plan.part("test"))
    seen = [centred(each) for each in vectors]
    pairs, similarity = similar_pairs(seen[0], ALIKE, MOST_PAIRS)
    similarity = np.min([similarity, *(similarity_of(each, pairs) for each in seen[1:])], axis=0)
    alike = similarity >= ALIKE
    pairs, similarity = pairs[alike], similarity[alike]
    bits = _different_bits(samples, pairs)
    found = (bits <= SAME_BITS) | ((similarity >= TWINS) & (bits <= ROUGHLY))
    order = np.flatnonzero(found)[np.argsort(-similarity[found], kind="stable")]
    rows = []
    for place in order:
        a, b = (samples[number] for number in pairs[place])
        relation = TWO_LABELS if a.label != b.label else LEAK if a.part != b.part else COPY
        rows.append((a.id, b.id, a.part, b.part, relation, float(similarity[place]), int(bits[place])))
    columns = ["sample_a", "sample_b", "part_a", "part_b", "relation", "similarity", "bits"]
    return pd.DataFrame(rows, columns=columns)


def find_doubted_labels(material: Material) -> pd.DataFrame:
    """Test images whose label every model contradicts beyond doubt, with one voice, the surest first.

    Returns:
        sample, label, predicted, confidence (the models' mean probability of `predicted`), label_confidence.
    """
    columns = ["sample", "label", "predicted", "confidence", "label_confidence"]
    measures = [name for name in JUDGES if name in measures_shown(material)]
    if not measures:
        return pd.DataFrame(columns=columns)
    images, classes = images_of(material), material.plan.classes
    models = models_of(material, measures[0])
    scores = [probabilities_of(material, images, measures[0], model) for model in models]
    found, predicted = doubted_labels(scores, images.truth)
    mean = np.mean([each[found] for each in scores], axis=0)
    rows = np.arange(len(found))
    table = pd.DataFrame({"sample": images.ids[found]})
    return table.assign(
        label=[classes[number] for number in images.truth[found]],
        predicted=[classes[number] for number in predicted],
        confidence=mean[rows, predicted],
        label_confidence=mean[rows, images.truth[found]],
    )


def find_outliers(material: Material, vectors: list[np.ndarray]) -> pd.DataFrame:
    """Images whose nearest neighbours are unusually far in most models, the loneliest first.

    Returns:
        sample, part, similarity (to the tenth nearest other image, the mean over models).
    """
    samples = (*material.plan.part("train"), *material.plan.part("test"))
    if len(samples) < FEWEST_FOR_OUTLIERS:
        return pd.DataFrame(columns=["sample", "part", "similarity"])
    near = np.stack([neighbour_similarity(each, each, NEIGHBOUR + 1) for each in map(centred, vectors)])
    lonely = np.flatnonzero(np.mean([is_outside(each) for each in near], axis=0) > 0.5)  # numbers of images
    mean = near[:, lonely].mean(axis=0)
    order = np.argsort(mean, kind="stable")
    table = pd.DataFrame({"sample": [samples[lonely[place]].id for place in order]})
    return table.assign(part=[samples[lonely[place]].part for place in order], similarity=mean[order])


def all_vectors(material: Material) -> list[np.ndarray]:
    """Each model's vectors of the training part and then the test part, unchanged by any view.

    Raises:
        NotMeasurable: Some are no numbers.
    """
    clean = parse_view("clean")
    parts = [material.plan.part(name) for name in ("train", "test")]
    vectors = []
    for encoder in material.plan.encoders:
        both = [material.embed(encoder, part, clean) for part in parts if part]
        require_finite(*both)
        vectors.append(np.concatenate(both))
    return vectors


def _different_bits(samples: tuple[Sample, ...], pairs: np.ndarray) -> np.ndarray:
    """How many bits of the hashes of each pair differ, [pairs]; only pictures of pairs are decoded."""
    numbers, places = np.unique(pairs, return_inverse=True)
    if not len(numbers):
        return np.empty(0, int)
    grey = np.stack(list(in_order(_grey, [samples[number] for number in numbers])))
    bits = perceptual_hash(grey)
    first, second = places.reshape(pairs.shape).T
    return np.count_nonzero(bits[first] != bits[second], axis=1)


def _grey(sample: Sample) -> np.ndarray:
    picture = read_picture(sample, at_least=HASH_SIDE).convert("L")
    return np.asarray(picture.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX))
