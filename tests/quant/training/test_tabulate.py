"""Functions looked up by code, with gradients to the reals."""

import numpy as np
import pytest
import torch

from kanhw.quant.training.rules.straight_through import round_half_up, scale_gradient
from kanhw.quant.training.tabulate import cell_slopes, look_up


@pytest.mark.parametrize("tables", [1, 3])
def test_values_and_gradients(tables):
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(tables, 8, 2, generator=generator, dtype=torch.float64)
    slopes = torch.randn(tables, 8, 2, generator=generator, dtype=torch.float64)
    addresses = torch.randint(8, (5, 3), generator=generator)
    real = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    values = look_up(addresses, real, table, slopes)
    weights = torch.randn(5, 3, 2, generator=generator, dtype=torch.float64)
    (values * weights).sum().backward()
    for n in range(5):
        for i in range(3):
            row = 0 if tables == 1 else i
            assert torch.equal(values[n, i], table[row, addresses[n, i]])
            expected = (weights[n, i] * slopes[row, addresses[n, i]]).sum()
            assert torch.isclose(real.grad[n, i], expected)


def test_slopes_of_a_line_and_of_a_parabola():
    x = torch.arange(6, dtype=torch.float64) * 0.5
    table = torch.stack([3 * x + 1, x**2], dim=1)[None]
    slopes = cell_slopes(table, torch.tensor([0.5], dtype=torch.float64))
    assert torch.allclose(slopes[0, :, 0], torch.full((6,), 3.0, dtype=torch.float64))
    assert torch.allclose(slopes[0, 1:-1, 1], 2 * x[1:-1])


def test_one_code_has_no_slope():
    assert not cell_slopes(torch.ones(1, 1, 2), torch.ones(1)).any()


def test_rounding_is_half_up_and_passes_gradients():
    x = torch.tensor([-1.5, -0.5, 0.5, 1.5, 2.4], requires_grad=True)
    rounded = round_half_up(x)
    assert torch.equal(rounded, torch.tensor([-1.0, 0.0, 1.0, 2.0, 2.0]))
    rounded.sum().backward()
    assert torch.equal(x.grad, torch.ones(5))


def test_scaled_gradient():
    x = torch.tensor([2.0], requires_grad=True)
    y = scale_gradient(x, 0.25)
    assert y.item() == 2.0
    (3 * y).backward()
    np.testing.assert_allclose(x.grad, 0.75)
