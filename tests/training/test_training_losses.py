"""The masked loss: what torch and scikit-learn say of the known entries, and nothing of the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, fbeta_score, log_loss

from i2v_search.training.losses import MAX_POSITIVE_WEIGHT, cross_entropy_sum, positive_weights
from i2v_search.training.thresholds import BETAS, best_thresholds


def batch(seed: int, spread: float = 3.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(17, 11, generator=generator) * spread
    positive, known = (torch.rand(17, 11, generator=generator) < share for share in (0.3, 0.6))
    return logits, positive, known


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_it_is_torchs_loss_on_the_known_entries(seed: int) -> None:
    logits, positive, known = batch(seed)
    ours = cross_entropy_sum(logits, positive, known)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[known], positive[known].float(), reduction="sum"
    )
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(("focus", "margin"), [(4.0, 0.05), (2.0, 0.0), (0.0, 0.2)])
def test_the_asymmetric_loss_is_its_formula_in_numpy(focus: float, margin: float) -> None:
    logits, positive, known = batch(3)
    ours = cross_entropy_sum(logits, positive, known, focus=focus, margin=margin)
    p = torch.sigmoid(logits.double()).numpy()
    shifted = np.maximum(p - margin, 0)
    losses = np.where(positive.numpy(), -np.log(p), -(shifted**focus) * np.log1p(-shifted))
    assert float(ours) == pytest.approx(losses[known.numpy()].sum(), rel=1e-4)
    far = torch.tensor([[60.0, -60.0]], requires_grad=True)
    one = cross_entropy_sum(
        far, torch.zeros(1, 2, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool), focus=focus
    )
    one.backward()  # type: ignore[no-untyped-call]
    assert float(one.detach()) == pytest.approx(60)
    assert far.grad is not None
    assert torch.isfinite(far.grad).all()


def test_it_is_scikit_learns_log_loss_on_the_known_entries() -> None:
    logits, positive, known = batch(0)
    mean = float(cross_entropy_sum(logits, positive, known)) / int(known.sum())
    probabilities = torch.sigmoid(logits.double())[known].numpy()
    assert mean == pytest.approx(log_loss(positive[known].numpy(), probabilities), rel=1e-6)


def test_an_unknown_entry_has_no_gradient_and_its_logit_may_be_anything() -> None:
    logits, positive, known = batch(1)
    logits[~known] = torch.tensor([torch.inf, -torch.inf, torch.nan]).repeat(99)[: int((~known).sum())]
    logits.requires_grad_()
    loss = cross_entropy_sum(logits, positive, known)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert (logits.grad[~known] == 0).all()
    torch.testing.assert_close(
        logits.grad[known], torch.sigmoid(logits)[known].detach() - positive[known].float()
    )


def test_large_logits_neither_overflow_nor_vanish() -> None:
    yes = torch.tensor([[True, False]])
    loss = cross_entropy_sum(torch.tensor([[-1e4, 1e4]]), yes, torch.ones_like(yes))
    assert float(loss) == 2e4
    tiny = cross_entropy_sum(torch.tensor([[30.0, -30.0]]), yes, torch.ones_like(yes))
    assert float(tiny) == pytest.approx(2 * np.exp(-30.0), rel=1e-5)


def test_bfloat16_logits_are_summed_in_float32() -> None:
    logits, positive, known = batch(2)
    rounded = logits.bfloat16()
    assert cross_entropy_sum(rounded, positive, known) == cross_entropy_sum(rounded.float(), positive, known)


def test_full_positive_weight_balances_a_tag() -> None:
    positive = np.array([[True, True], [False, True], [False, True], [True, False]])
    known = np.array([[True, True], [True, True], [True, True], [False, True]])
    assert positive_weights(positive, known, 0) is None
    weights = positive_weights(positive, known, 1)
    assert weights is not None
    np.testing.assert_allclose(weights, [2, 1 / 3], rtol=1e-6)
    half = positive_weights(positive, known, 0.5)
    assert half is not None
    np.testing.assert_allclose(half, np.sqrt(weights), rtol=1e-6)
    rare = positive_weights(np.arange(1000)[:, None] == 0, np.ones((1000, 1), bool), 1)
    assert rare is not None
    assert rare[0] == MAX_POSITIVE_WEIGHT
    logits = torch.zeros(4, 2)
    weighed = cross_entropy_sum(
        logits, torch.from_numpy(positive), torch.from_numpy(known), torch.from_numpy(weights)
    )
    assert float(weighed) == pytest.approx(np.log(2) * ((2 + 1 + 1) + (3 * (1 / 3) + 1)), rel=1e-6)


def test_thresholds_are_the_best_that_any_threshold_could_be() -> None:
    random = np.random.default_rng(0)
    positive = random.random((60, 4)) < 0.3
    probabilities = np.round(random.random((60, 4)) * 0.5 + positive * 0.3, 2).astype(np.float32)
    known = random.random((60, 4)) < 0.8
    known[:, 3] &= ~positive[:, 3]
    found = best_thresholds(positive, probabilities, known)
    assert found[3].tolist() == [0.25] * 3
    for tag in range(3):
        truth, scores = positive[known[:, tag], tag], probabilities[known[:, tag], tag]
        for beta, threshold in zip(BETAS, found[tag], strict=True):
            best = max(
                fbeta_score(truth, scores > at, beta=beta, zero_division=0.0)
                for at in [-1.0, *np.unique(scores).tolist()]
            )
            assert fbeta_score(truth, scores > threshold, beta=beta) == pytest.approx(best)
        assert f1_score(truth, scores > found[tag, 1]) > 0.3
