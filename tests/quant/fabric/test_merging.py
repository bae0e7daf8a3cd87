"""Tables of one output that become one in the cost of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fabric_networks import data_of, scattered

from benchmarks.fabric.formula import luts_of
from benchmarks.fabric.sizes import sizes_of
from kanhw.errors import InputError
from kanhw.quant.fabric.cost import LayerWidths, fabric_cost
from kanhw.quant.fabric.fitting import FittedState
from kanhw.quant.fabric.learned.freezing import freeze
from kanhw.quant.fabric.learned.merging import Merging
from kanhw.quant.fabric.learned.network import Networks
from kanhw.quant.fabric.native.steps import native_steps
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import FabricTraining
from kanhw.targets.table_costs import MERGED_BITS, TRIED, table_costs_of

APART = torch.zeros(1, dtype=torch.bool)


def narrow(n_in=TRIED + 7, fabric="ultrascale+", shape=None, **given):
    """A training of many inputs, and two networks of it whose tables have few address bits."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, n_in)), random.integers(0, 3, 60)
    settings = FabricSettings(fabric=fabric, merge_tables=True, **{"batch_size": 20, **given})
    training = FabricTraining(shape or (n_in, 3, 3), data_of(x, y, 20), settings)
    rows = scattered(training)
    for layer in training.layout.layers(rows):
        drawn = random.uniform(0.2, 3.5, layer.address_bits.shape)
        layer.address_bits[:] = torch.tensor(drawn)
    return training, rows


def widths(address, spans, fractions):
    """Of an output's tables, and their fraction bits."""
    address, spans, fractions = (
        torch.tensor([[own]], dtype=torch.float64) for own in (address, spans, fractions)
    )
    return LayerWidths(address, torch.log2(spans + 1), None), fractions


def test_two_tables_are_told_as_their_sum():
    cost = fabric_cost("lut", "xcup", "ultrascale+")
    # 3 steps of 1/2 and 5 of 1 are 13 of 1/2.
    own, fractions = widths([2.0, 3.0], [3.0, 5.0], [1.0, 0.0])
    merging = Merging(cost)
    leaders = merging.leaders(own, fractions, APART)
    assert leaders.tolist() == [[[0, 0]]]
    made = merging.merged(own, fractions, leaders)
    assert made.address_bits.tolist() == [[[5.0, 0.0]]]
    bits = np.log2(14)
    expected = cost.table[4] * bits + cost.adder * (bits + cost.adder_offset) * np.tanh(2 * bits)
    assert float(cost.of_layer(made)) == pytest.approx(expected)
    assert expected < float(cost.of_layer(own))


@pytest.mark.parametrize(
    ("address", "spans", "fractions", "expected"),
    [
        ([1.0, 2.0, 1.0, 2.0], [3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0], 2),  # two and two
        ([4.0, 3.0], [3.0, 3.0], [0.0, 0.0], 2),  # seven address bits
        ([3.0, 3.0], [3.0, 3.0], [0.0, 9.0], 2),  # the sum has as many bits as both together
        ([2.0, 0.0], [3.0, 3.0], [0.0, 0.0], 2),  # an edge that is not there
        ([2.0, 2.0], [3.0, 0.0], [0.0, 0.0], 2),  # a table that does not vary
    ],
)
def test_what_is_merged(address, spans, fractions, expected):
    own, steps = widths(address, spans, fractions)
    merging = Merging(fabric_cost("lut", "xcup", "ultrascale+"))
    leaders = merging.leaders(own, steps, APART)
    assert len(set(leaders.flatten().tolist())) == expected
    assert (leaders.gather(2, leaders) == leaders).all()


def test_tables_of_inputs_that_may_be_absent_stay_apart():
    own, fractions = widths([1.0, 1.0, 1.0], [3.0, 3.0, 3.0], [0.0, 0.0, 0.0])
    merging = Merging(fabric_cost("lut", "xcup", "ultrascale+"))
    padded = torch.tensor([False, True, False])
    assert merging.leaders(own, fractions, padded).tolist() == [[[0, 1, 0]]]


@pytest.mark.parametrize("shape", [None, "1x5x5-2@3x3p1-3"])
def test_networks_are_told_as_the_sums_of_their_tables(shape):
    training, rows = narrow(25, shape=shape)
    networks = training.networks
    frozen = freeze(networks, rows).rows
    layers = networks.evaluate(frozen)
    merged = 0
    for layer, leaders in zip(layers, networks.leaders(layers, whole=True), strict=True):
        made = networks.merging.merged(
            layer.whole_widths(whole_bits=False), layer.fractions(whole=True), leaders
        )
        for s, j in np.ndindex(leaders.shape[:2]):
            for leader in set(leaders[s, j].tolist()):
                of = np.flatnonzero(leaders[s, j] == leader)
                sums, finest = np.zeros(1), -np.inf
                for i in of:
                    entries = layer.tables[s, j, i].unique().double().numpy()
                    sums = np.add.outer(sums, entries).reshape(-1)
                    finest = max(finest, float(layer.parameters.fraction_bits[s, j, i]))
                span = np.ptp(sums) * 2.0**finest if len(of) > 1 else None
                if span is not None:
                    assert 2 ** float(made.output_bits[s, j, leader]) - 1 == pytest.approx(span)
                    assert float(made.address_bits[s, j, leader]) <= MERGED_BITS
                    assert not layer.structure.reading.padded[of].any()
                    merged += 1
    assert merged > 3


@pytest.mark.parametrize("whole", [False, True])
def test_merged_tables_never_cost_more(whole):
    training, rows = narrow()
    apart = Networks(training.layout, training.networks.cost)
    layers = apart.evaluate(rows)
    costs, merged = (own.costs(layers, whole=whole) for own in (apart, training.networks))
    assert (merged < 0.95 * costs).all()
    # What is left of a layer that has nothing to merge is the layer.
    for layer in training.layout.layers(rows):
        layer.address_bits[:] = 4
        if layer.code_bits is not None:
            layer.code_bits[:] = 6
    layers = apart.evaluate(rows)
    costs, merged = (own.costs(layers, whole=whole) for own in (apart, training.networks))
    assert torch.allclose(merged, costs)


@pytest.mark.parametrize("fabric", ["portable", "ultrascale+"])
def test_gradients_are_those_of_finite_differences(fabric):
    cost = fabric_cost("lut", "xcup", fabric)
    merging = Merging(cost)
    torch.manual_seed(0)
    drawn = torch.rand(3, 1, 2, 6, dtype=torch.float64)
    leaves = [3 * drawn[0] + 0.1, 5 * drawn[1] + 0.1, 3 * drawn[2]]
    leaders = merging.leaders(LayerWidths(*leaves[:2], None), leaves[2], APART)
    assert (leaders != torch.arange(6)).sum() > 3

    def of(address, bits, fractions):
        made = merging.merged(LayerWidths(address, bits, None), fractions, leaders)
        return cost.of_layer(made)

    assert torch.autograd.gradcheck(of, [own.requires_grad_() for own in leaves])


@pytest.mark.parametrize("fabric", ["portable", "ultrascale+"])
@pytest.mark.parametrize("shape", [None, "1x5x5-2@3x3p1-3"])
def test_the_kernel_has_the_same_gradient(fabric, shape):
    training, rows = narrow(25 if shape else TRIED + 7, fabric, shape)
    fitter, networks = training.stages.fitter, training.networks
    if fitter.native is None:
        pytest.skip("no C++ compiler")
    x, y = fitter.samples.x[:20], fitter.samples.y[:20]
    for layer in training.layout.layers(rows):
        layer.fraction_bits[0].round_()  # of several of a table the finest step is the same
    for row in rows:
        own = row[None].clone().requires_grad_(True)
        layers = networks.evaluate(own)
        leaders = networks.leaders(layers)
        many = sum(int((each != torch.arange(each.shape[2])).sum()) for each in leaders)
        assert many > 8
        costs = 0.1 * networks.costs(layers).sum()
        loss = training.task.loss(networks.outputs(layers, x[None]), y[None]) + costs
        for layer in layers:
            loss = loss + fitter.smoothness[layer is layers[-1]] * layer.roughness().sum()
        (gradient,) = torch.autograd.grad(loss, own)
        found = fitter.native.gradient(row, x, y, 0.1)
        assert torch.allclose(found, gradient[0], atol=2e-5)
        apart = native_steps(
            Networks(training.layout, networks.cost), training.task, fitter.smoothness
        )
        assert not torch.allclose(apart.gradient(row, x, y, 0.1), found, atol=1e-3)


def test_other_costs_are_refused():
    with pytest.raises(InputError, match=r"\Amerge_tables keeps LUTs small, not the cost 'bram'"):
        FabricSettings(fabric_cost="bram", merge_tables=True)
    with pytest.raises(TypeError, match="merge_tables must be True or False"):
        FabricSettings(merge_tables="xcup")


def test_an_epoch_of_the_kernel_is_the_same(monkeypatch):
    training, rows = narrow(batch_size=10)
    fitter = training.stages.fitter
    if fitter.native is None:
        pytest.skip("no C++ compiler")
    # Address bits change so much that other tables are merged; found anew at the third of four.
    rates = torch.zeros(training.layout.size)
    for layer in training.layout.layers(rates[None]):
        layer.address_bits[:] = 0.3
    monkeypatch.setattr("kanhw.quant.fabric.fitting.MERGED_EVERY", 2)
    assert fitter.steps == 4
    torch.manual_seed(0)
    order, native = [torch.randperm(len(fitter.samples)) for _ in rows], fitter.native
    states = []
    for kernel, every in ((native, 2), (None, 2), (native, 1)):
        fitter.native, native.problem.merger.every = kernel, every
        state = FittedState.of(rows)
        fitter.epoch(state, order, rates, [0.01] * 4)
        states.append(state)
    one, other, oftener = (own.mean for own in states)
    assert torch.allclose(one, other, atol=2e-5)
    assert not torch.allclose(one, oftener, atol=1e-3)


def test_points_are_told_with_what_is_merged():
    training, _ = narrow(epochs=60, starts=1, most_bits=3, learning_rate=0.05)
    front, programs = training.run()
    costs = table_costs_of("xcup", "ultrascale+")
    shares = [own.cost / luts_of(sizes_of(programs[own.name]), costs) for own in front.points]
    assert max(shares) <= 1.04
    assert min(shares) < 0.95
