"""The cost that training minimises, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, rings, scattered

from kanhw.errors import InputError
from kanhw.quant.fabric.cost import CodeWork, LayerWidths, fabric_cost
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining
from kanhw.targets.table_costs import TABLE_COSTS, table_costs_of


@pytest.mark.parametrize("kind", ["lut", "bram", "bit-operations"])
def test_gradients_are_those_of_finite_differences(kind):
    cost = fabric_cost(kind, "xcup", "portable")
    torch.manual_seed(0)
    wide = torch.float64
    address, bits = 6 * torch.rand(1, 2, 3, dtype=wide) + 0.1, 5 * torch.rand(1, 2, 3, dtype=wide)
    code = 5 * torch.rand(1, 2, dtype=wide)
    leaves = [own.requires_grad_() for own in (address, bits, code)]
    assert torch.autograd.gradcheck(lambda *own: cost.of_layer(LayerWidths(*own)), leaves)


def test_widths_of_networks_have_the_gradient_of_the_relaxed_cost(training):
    rows = scattered(training, 1).double()
    networks = training.networks

    def cost(values):
        return networks.costs(networks.evaluate(values)).sum()

    own = rows.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(cost(own), own)
    start, step = 0, 1e-5
    for parameter in training.layout.parameters:
        for k in range(start, start + parameter.size):
            # Where a width rounds to another number tables change at once.
            value = float(rows[0, k])
            if parameter.is_width and abs(value % 1 - 0.5) > 2 * step:
                up, down = rows.clone(), rows.clone()
                up[0, k] += step
                down[0, k] -= step
                slope = float(cost(up) - cost(down)) / (2 * step)
                assert float(gradient[0, k]) == pytest.approx(slope, abs=1e-5), parameter
        start += parameter.size


def test_an_edge_that_is_gone_costs_nothing(training):
    networks = training.networks
    rows = scattered(training, 1)
    layers = training.layout.layers(rows)
    for layer in layers:
        layer.address_bits[:] = 0
    gone = freeze(networks, rows).rows
    saturators = networks.cost.saturator * 2  # a bit of code of each hidden neuron
    assert float(networks.costs(networks.evaluate(gone), whole=True)) == pytest.approx(saturators)


def test_block_rams_are_counted_in_blocks():
    bits = torch.full((1, 1, 1), 4.0)
    widths = LayerWidths(torch.full((1, 1, 1), 6.0), bits, None)
    small, large = (fabric_cost("bram", name, "portable") for name in ("ice40", "xcup"))
    assert float(small.of_layer(widths)) == pytest.approx(64 * 4 / 4096)
    assert float(large.of_layer(widths)) == pytest.approx(64 * 4 / 16384)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("luts", "xcup", "portable"), "no cost of the fabric of kind 'luts'"),
        (("lut", "spartan", "portable"), "Unknown target 'spartan'"),
        (("lut", "ice40", "ultrascale+"), "no costs of tables for fabric 'ultrascale\\+'"),
    ],
)
def test_what_is_not_known_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        fabric_cost(*given)


def test_windows_share_their_hardware():
    bits = torch.full((1, 2, 4), 3.0)
    of_one, of_nine = (
        LayerWidths(bits, bits, torch.full((1, 2), 3.0), windows) for windows in (1, 9)
    )
    for kind, times in (("lut", 1), ("bram", 1), ("bit-operations", 9)):
        cost = fabric_cost(kind, "xcup", "portable")
        expected = times * float(cost.of_layer(of_one))
        assert float(cost.of_layer(of_nine)) == pytest.approx(expected)


def test_summands_of_single_bits_cost_less_but_something():
    every = fabric_cost("lut", "xcup", "ultrascale+")
    cost = every.of_single_bits()
    assert cost.table[1:] == every.table[1:]
    assert cost.table[0] < 0 < every.table[0]

    def of(address, bits):
        edges = LayerWidths(torch.full((1, 1, 40), address), torch.full((1, 1, 40), bits), None)
        return float(cost.of_layer(edges)) / 40

    assert 0.7 < of(1.0, 1.0) < 0.9
    for bits in (0.1, 0.5, 1.0, 3.0, 8.0):
        assert 0 < of(0.5, bits) < of(1.0, bits) < of(2.0, bits)


@pytest.mark.parametrize(("target", "fabric"), TABLE_COSTS)
def test_registers_that_can_be_held_cost_a_share_more(target, fabric):
    cost = fabric_cost("lut", target, fabric)
    held, share = cost.of_stream(), table_costs_of(target, fabric).handshake
    assert 0 < share < 0.3
    bits = torch.full((1, 2, 3), 3.0)
    widths = LayerWidths(bits, bits, torch.full((1, 2), 4.0))
    assert float(held.of_layer(widths)) == pytest.approx((1 + share) * float(cost.of_layer(widths)))
    work = CodeWork(lines=2, compared=3, added=1, divided=True)
    assert held.of_code(work) == cost.of_code(work)
    assert held.of_stream() == held


def test_images_are_streams_and_vectors_are_not():
    x, labels = rings(count=40)
    settings = FabricSettings(fabric="ultrascale+")
    whole = fabric_cost("lut", "xcup", "ultrascale+")
    vector = FabricTraining("2-2-2", data_of(x, labels), settings)
    assert vector.networks.cost == whole
    pixels = np.random.default_rng(0).normal(size=(40, 16))
    image = FabricTraining("1x4x4-2@2x2-2", data_of(pixels, labels), settings)
    assert image.networks.cost == whole.of_stream() != whole
