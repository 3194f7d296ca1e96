"""Local response normalisation: torch's answers and gradients, whatever its settings."""

import pytest
import torch
from torch import nn

from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.networks._local_response_norm import LocalResponseNorm


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3, 20])
@pytest.mark.parametrize(
    "settings",
    [(9, 0.001, 0.75, 1.0), (5, 2.0, 0.75, 2.0), (4, 1.5, 0.6, 1.0), (2, 1.0, 0.75, 1.0), (1, 1.0, 1.5, 0.5)],
)
def test_it_answers_as_torch_does_with_its_gradient(settings, channels, layout):
    found, slopes = [], drawn(3, channels, 4, 5, seed=1)
    for norm in (LocalResponseNorm(*settings), nn.LocalResponseNorm(*settings)):
        values = drawn(3, channels, 4, 5).contiguous(memory_format=layout).requires_grad_()
        answered = norm(values)
        answered.backward(slopes)
        assert answered.is_contiguous(memory_format=layout)
        found.append((answered.detach(), values.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_its_gradient_is_that_of_its_answers():
    values = drawn(2, 7, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(LocalResponseNorm(3, 0.5, 0.75, 1.0), values)


def test_under_autocast_it_computes_in_float32():
    norm, values = LocalResponseNorm(9, 0.001, 0.75, 1.0), (100 * drawn(2, 20, 3, 3)).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answered = norm(values)
    exact = norm(values.detach().float().requires_grad_())
    assert answered.dtype == torch.bfloat16
    torch.testing.assert_close(answered, exact.bfloat16(), rtol=0, atol=0)
    answered.sum().backward()
    assert values.grad.dtype == torch.bfloat16


def test_it_goes_by_torchs_name_so_that_trunks_stored_before_are_the_same():
    norm = networks.build("cifar", 10, seed=1).norm1
    assert repr(norm) == repr(nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0))
    assert not list(norm.state_dict())
