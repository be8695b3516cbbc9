from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.train.losses import contrastive_loss, label_loss


def pairs(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=source), torch.randn(count, 5, generator=source)


def test_two_pairs_by_hand():
    # Unit vectors: image 0 = (1, 0), image 1 = (0, 1); text 0 = (1, 0), text 1 = (0.6, 0.8). Scale 2.
    # Logits, image by text: [[2, 1.2], [0, 1.6]].
    # Images ask: row 0: ln(1 + e^(1.2 - 2)) = ln 1.449329 = 0.371101; row 1: ln(1 + e^(0 - 1.6)) = 0.183901.
    # Texts ask: column 0: ln(1 + e^(0 - 2)) = 0.126928; column 1: ln(1 + e^(1.2 - 1.6)) = 0.513015.
    # ((0.371101 + 0.183901) / 2 + (0.126928 + 0.513015) / 2) / 2 = 0.298736
    images = torch.tensor([[3.0, 0.0], [0.0, 0.5]])  # lengths do not matter
    texts = torch.tensor([[2.0, 0.0], [3.0, 4.0]])
    loss = contrastive_loss(images, texts, torch.tensor(2.0), torch.tensor([0, 1]))
    assert float(loss) == pytest.approx(0.298736, abs=1e-6)


def test_two_pairs_of_one_concept_by_hand():
    # Both texts are right for both images, half each.
    # Row 0: ln(e^2 + e^1.2) - (2 + 1.2) / 2 = 2.371101 - 1.6 = 0.771101;
    # row 1: ln(e^0 + e^1.6) - 0.8 = 1.783901 - 0.8 = 0.983901; column 0: ln(e^2 + e^0) - 1 = 1.126928;
    # column 1: ln(e^1.2 + e^1.6) - 1.4 = 2.113015 - 1.4 = 0.713015. Mean of the four: 0.898736
    images, texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    loss = contrastive_loss(images, texts, torch.tensor(2.0), torch.tensor([4, 4]))
    assert float(loss) == pytest.approx(0.898736, abs=2e-6)


def test_distinct_concepts_are_clips_loss():
    images, texts = pairs(6)
    logits = 10 * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    numbers = torch.arange(6)
    clips = (F.cross_entropy(logits, numbers) + F.cross_entropy(logits.T, numbers)) / 2
    ours = contrastive_loss(images, texts, torch.tensor(10.0), torch.tensor([9, 4, 7, 1, 0, 3]))
    torch.testing.assert_close(ours, clips)


def test_with_nothing_learned_the_loss_is_chance():
    same = torch.ones(8, 5)
    assert float(contrastive_loss(same, same, torch.tensor(14.3), torch.arange(8))) == pytest.approx(math.log(8))


def test_a_repeated_concept_is_no_wrong_answer():
    # Two pictures of one thing with one caption: telling them apart is impossible and is not asked for. Perfect
    # embeddings reach the least loss of a target spread over two, which is ln 2; as negatives they would cost more.
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    shared = contrastive_loss(vectors, vectors, torch.tensor(100.0), torch.tensor([0, 0, 1, 1]))
    assert float(shared) == pytest.approx(math.log(2), abs=1e-5)
    vectors.requires_grad_()
    contrastive_loss(vectors, vectors, torch.tensor(100.0), torch.tensor([0, 0, 1, 1])).backward()
    assert float(vectors.grad.abs().max()) < 1e-5  # nothing pulls them apart


@given(seed=st.integers(0, 1000), concepts=st.lists(st.integers(0, 3), min_size=2, max_size=8), data=st.data())
@settings(max_examples=40, deadline=None)
def test_order_and_direction_do_not_matter(seed, concepts, data):
    images, texts = pairs(len(concepts), seed)
    numbers, scale = torch.tensor(concepts), torch.tensor(5.0)
    loss = contrastive_loss(images, texts, scale, numbers)
    order = torch.tensor(data.draw(st.permutations(range(len(concepts)))))
    torch.testing.assert_close(contrastive_loss(images[order], texts[order], scale, numbers[order]), loss)
    torch.testing.assert_close(contrastive_loss(texts, images, scale, numbers), loss)  # symmetric
    torch.testing.assert_close(contrastive_loss(images * 3, texts / 7, scale, numbers), loss)  # any lengths
    torch.testing.assert_close(contrastive_loss(images, texts, scale, numbers * 5 + 2), loss)  # names of concepts


def test_bfloat16_embeddings_are_compared_in_float32():
    images, texts = pairs(4)
    loss = contrastive_loss(images.bfloat16(), texts.bfloat16(), torch.tensor(14.0), torch.arange(4))
    assert loss.dtype == torch.float32


def test_label_loss_by_hand():
    # Scores (1, 0), label 0: ln(1 + e^-1) = 0.313262. With smoothing 0.2 each class gets 0.1 more of the target:
    # 0.9 * 0.313262 + 0.1 * 1.313262 = 0.413262
    scores, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    assert float(label_loss(scores, labels, 0.0)) == pytest.approx(0.313262, abs=1e-6)
    assert float(label_loss(scores, labels, 0.2)) == pytest.approx(0.413262, abs=1e-6)
