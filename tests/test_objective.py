"""The losses, against torch's own and against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from mien.labels import SPACES, groups, make_space
from mien.training.objective import Objective, Source, source
from mien.training.settings import DistillSettings, TrainSettings

CARER, EKMAN, GO = SPACES["carer6"], SPACES["ekman7"], SPACES["goemotions28"]
N = 9


def objective(space, sources=None, distill=None, shares=None, **train):
    shares = np.full(len(space), 1 / len(space)) if shares is None else shares
    sources = [source(space, space), *(sources or [])]
    return Objective(space, sources, TrainSettings(**train), distill or DistillSettings(), shares)


def random(shape, seed=0, scale=2.0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def picks(labels, seed=1):
    return torch.randint(labels, (N,), generator=torch.Generator().manual_seed(seed))


def held(labels, seed=2):
    return (torch.rand((N, labels), generator=torch.Generator().manual_seed(seed)) < 0.3).float()


def close(found, wanted, atol=1e-5):
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), atol=atol, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_is_cross_entropy(smoothing):
    logits, targets = random((N, 6)), picks(6)
    found = objective(CARER, label_smoothing=smoothing)(logits, targets)
    close(found, functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none"))


def test_class_weights_are_one_over_the_root_of_the_share_and_one_on_average():
    logits, targets = random((N, 6)), picks(6)
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.09, 0.01])
    weights = shares**-0.5 / sum(shares * shares**-0.5)
    found = objective(CARER, class_weights=True, shares=shares)(logits, targets)
    plain = functional.cross_entropy(logits, targets, reduction="none")
    close(found, plain * torch.tensor(weights)[targets])
    weighted = objective(CARER, class_weights=True, shares=shares, label_smoothing=0.2)(logits, targets)
    kind = torch.tensor(weights, dtype=torch.float32)
    close(weighted, functional.cross_entropy(logits, targets, kind, label_smoothing=0.2, reduction="none"))


def test_a_label_that_training_never_showed_has_a_finite_weight():
    shares = np.array([0.5, 0.5, 0, 0, 0, 0])
    assert objective(CARER, class_weights=True, shares=shares)(random((N, 6)), picks(6)).isfinite().all()


def test_several_labels_are_binary_cross_entropies_added_up():
    logits, targets = random((N, 28)), held(28)
    found = objective(GO)(logits, targets)
    close(found, functional.binary_cross_entropy(logits.sigmoid(), targets, reduction="none").sum(1), 1e-4)
    assert found.shape == (N,)


def test_several_labels_smoothed_keep_their_number_and_weighed_count_where_they_hold():
    logits, targets = random((N, 28)), held(28)
    wanted = 0.9 * targets + 0.1 * targets.mean(1, keepdim=True)
    close(wanted.sum(1), targets.sum(1))
    losses = functional.binary_cross_entropy(logits.sigmoid(), wanted, reduction="none")
    close(objective(GO, label_smoothing=0.1)(logits, targets), losses.sum(1), 1e-4)
    shares = np.linspace(0.01, 0.5, 28)
    weights = torch.tensor(shares**-0.5 / (np.sum(shares**0.5) / shares.sum()))
    found = objective(GO, label_smoothing=0.1, shares=shares, class_weights=True)(logits, targets)
    close(found, (losses * (targets * weights + (1 - targets))).sum(1), 1e-3)


def gathered(logits, targets, members, multilabel, smoothing):
    """The rolled-up loss of each sample in plain Python: probabilities, their roll-up, binary cross entropies."""
    losses = []
    for row, wanted in zip(logits.double().tolist(), targets.tolist(), strict=True):
        if multilabel:
            p = [1 / (1 + math.exp(-x)) for x in row]
            rolled = [1 - math.prod(1 - p[i] for i in places) for places in members]
        else:
            total = sum(map(math.exp, row))
            rolled = [sum(math.exp(row[i]) / total for i in places) for places in members]
        loss = 0.0
        for index, (q, places) in enumerate(zip(rolled, members, strict=True)):
            holds = float(wanted == index) if isinstance(wanted, int) else wanted[index]
            holds *= 1 - smoothing
            loss -= (holds * math.log(q) + (1 - holds) * math.log(1 - q)) if places else 0.0
        losses.append(loss)
    return losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("network", "other"), [(GO, EKMAN), (GO, CARER), (CARER, EKMAN)], ids=lambda s: s.name)
def test_other_labels_are_learned_through_the_roll_up(network, other, several, smoothing):
    members = groups(network, other)
    assert any(not places for places in members) == (network is CARER)  # disgust and neutral gather nothing there
    logits = random((N, len(network)), scale=1.0)
    targets = held(len(other)) if several else picks(len(other))
    target_space = other.as_multilabel(several)
    found = objective(network, [source(target_space, network, 0.5)], label_smoothing=smoothing)(logits, targets, 1)
    close(found, 0.5 * torch.tensor(gathered(logits, targets, members, network.multilabel, smoothing)), 1e-4)


def test_labels_that_gather_none_are_passed_over_with_several_at_a_time():
    network, other = make_space("fine", list("abcd"), True), make_space("coarse", list("xyz"), True)
    members = ((0, 2), (), (3,))
    logits, targets = random((N, 4)), held(3)
    found = objective(network, [Source(other, 1.0, members)])(logits, targets, 1)
    close(found, gathered(logits, targets, members, True, 0), 1e-4)
    moved = targets.clone()
    moved[:, 1] = 1 - moved[:, 1]
    close(objective(network, [Source(other, 1.0, members)])(logits, moved, 1), found)


def test_far_off_logits_have_finite_losses_and_gradients():
    for network, scale in ((GO, 200.0), (CARER, 200.0)):
        logits = random((N, len(network)), scale=scale).requires_grad_()
        losses = objective(network, [source(EKMAN, network)])(logits, picks(7), 1)
        losses.sum().backward()
        assert losses.isfinite().all()
        assert logits.grad.isfinite().all()


def test_no_map_between_two_spaces():
    with pytest.raises(ValueError, match="no map from carer6 to goemotions28"):
        source(GO, CARER)


@pytest.mark.parametrize("heat", [1.0, 2.5])
def test_following_a_teacher_is_kl_divergence_up_to_the_teachers_entropy(heat):
    logits, teacher = random((N, 6)), random((N, 6), 5).softmax(1)
    targets = picks(6)
    found = objective(CARER, distill=DistillSettings(weight=1, temperature=heat))(logits, targets, teacher=teacher)
    soft = teacher ** (1 / heat) / (teacher ** (1 / heat)).sum(1, keepdim=True)
    entropy = -(soft * soft.log()).sum(1)
    divergence = functional.kl_div((logits / heat).log_softmax(1), soft, reduction="none").sum(1)
    close(found, heat**2 * (divergence + entropy), 1e-4)


def test_following_a_teacher_of_several_labels_likewise():
    logits, teacher = random((N, 28)), random((N, 28), 5).sigmoid()
    found = objective(GO, distill=DistillSettings(weight=1))(logits, held(28), teacher=teacher)
    both, own = torch.stack([teacher, 1 - teacher]), torch.stack([logits.sigmoid(), 1 - logits.sigmoid()])
    divergence = functional.kl_div(own.log(), both, reduction="none").sum((0, 2))
    close(found, divergence - (both * both.log()).sum((0, 2)), 1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_teacher_who_says_the_labels_changes_nothing(weight):
    logits, targets = random((N, 6)), picks(6)
    teacher = functional.one_hot(targets, 6).float()
    found = objective(CARER, distill=DistillSettings(weight=weight))(logits, targets, teacher=teacher)
    close(found, functional.cross_entropy(logits, targets, reduction="none"), 2e-4)


def test_labels_and_teacher_are_mixed_by_weight():
    logits, targets, teacher = random((N, 6)), picks(6), random((N, 6), 5).softmax(1)
    hard, soft, mixed = (
        objective(CARER, distill=DistillSettings(weight=w))(logits, targets, teacher=teacher) for w in (0.0, 1.0, 0.3)
    )
    close(hard, functional.cross_entropy(logits, targets, reduction="none"))
    close(mixed, 0.7 * hard + 0.3 * soft)
    assert not torch.allclose(hard, soft, atol=0.1)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_own_labels_count_in_a_coarser_space_too(weight):
    logits, targets = random((N, 28)), held(28)
    found = objective(GO, rollup_space="ekman7", rollup_weight=weight)(logits, targets)
    probabilities = logits.double().sigmoid()
    wanted = []
    for row, truth in zip(probabilities.tolist(), targets.tolist(), strict=True):
        fine = -sum(math.log(p) if t else math.log(1 - p) for p, t in zip(row, truth, strict=True))
        coarse = 0.0
        for members in groups(GO, EKMAN):
            absent = math.prod(1 - row[i] for i in members)
            coarse -= math.log(1 - absent) if any(truth[i] for i in members) else math.log(absent)
        wanted.append(fine + weight * coarse)
    close(found, wanted, atol=1e-4)


def test_one_label_at_a_time_counts_in_a_coarser_space_too():
    logits, targets = random((N, 6)), picks(6)
    found = objective(CARER, rollup_space="ekman7", rollup_weight=1.0)(logits, targets)
    plain = objective(CARER)(logits, targets)
    wanted = []
    for row, truth in zip(logits.double().softmax(1).tolist(), targets.tolist(), strict=True):
        shares = [(sum(row[i] for i in members), truth in members) for members in groups(CARER, EKMAN) if members]
        wanted.append(-sum(math.log(share) if there else math.log(1 - share) for share, there in shares))
    close(found - plain, wanted, atol=1e-4)
