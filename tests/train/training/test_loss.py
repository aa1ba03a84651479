# SPDX-License-Identifier: Apache-2.0
"""The chunked loss against torch's own cross-entropy: value and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from yuren_core.model.tokenization import IGNORE_INDEX
from yuren_train.training.loss import LossHead, summed_cross_entropy

N, D, V = 23, 16, 50


def _problem(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=generator).requires_grad_()
    head = torch.randn(V, D, generator=generator).requires_grad_()
    labels = torch.randint(0, V, (N,), generator=generator)
    labels[torch.randperm(N, generator=generator)[:9]] = IGNORE_INDEX
    return hidden, head, labels


def _plain(hidden: Tensor, head: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(
        hidden @ head.t(), labels, ignore_index=IGNORE_INDEX, reduction="sum"
    )


@pytest.mark.parametrize("chunk", [1, 5, 14, 100])
def test_value_and_gradients_are_those_of_torch(chunk: int) -> None:
    hidden, head, labels = _problem()
    wanted = torch.autograd.grad(_plain(hidden, head, labels) / 7, (hidden, head))
    loss = summed_cross_entropy(hidden, head, labels, chunk=chunk)
    torch.testing.assert_close(loss, _plain(hidden, head, labels))
    for found, right in zip(torch.autograd.grad(loss / 7, (hidden, head)), wanted, strict=True):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize("learned", [True, False])
def test_rows_stand_in_for_rows_of_a_frozen_head(learned: bool) -> None:
    hidden, head, labels = _problem()
    ids = torch.tensor([3, 17, 49])
    labels[labels.ne(IGNORE_INDEX).nonzero()[:3].squeeze(-1)] = ids
    rows = torch.randn(3, D).requires_grad_(learned)
    inputs = (hidden, rows) if learned else (hidden,)
    frozen = head.detach()
    whole = frozen.index_copy(0, ids, rows)
    wanted = torch.autograd.grad(_plain(hidden, whole, labels), inputs)
    loss = summed_cross_entropy(hidden, frozen, labels, rows=rows, row_ids=ids, chunk=4)
    torch.testing.assert_close(loss, _plain(hidden, whole, labels))
    for found, right in zip(torch.autograd.grad(loss, inputs), wanted, strict=True):
        torch.testing.assert_close(found, right)


def test_nothing_to_learn_is_zero_and_still_has_gradients() -> None:
    hidden, head, labels = _problem()
    loss = summed_cross_entropy(hidden, head, torch.full_like(labels, IGNORE_INDEX))
    loss.backward()
    assert loss == 0
    assert hidden.grad is not None
    assert head.grad is not None
    assert not hidden.grad.any()
    assert not head.grad.any()


def test_sum_is_fp32_under_autocast_and_close() -> None:
    hidden, head, labels = _problem()
    with torch.autocast("cpu", torch.bfloat16):
        loss = summed_cross_entropy(hidden, head, labels, chunk=5)
    loss.backward()
    assert loss.dtype == torch.float32
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.float32
    torch.testing.assert_close(loss, _plain(hidden, head, labels), rtol=2e-2, atol=0)


def test_head_shares_its_parameters() -> None:
    hidden, head, labels = _problem()
    weight = torch.nn.Parameter(head.detach().clone())
    module = LossHead(weight)
    module(hidden, labels).backward()
    assert module.weight is weight
    assert weight.grad is not None
