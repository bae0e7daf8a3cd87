"""Curves of edges, as deployed and in float."""

from dataclasses import replace

import numpy as np
import pytest
from reported_designs import (
    GRID,
    ORDER,
    SIGNED6,
    basis_table_network,
    edge_table_network,
    integer_network,
    positions,
)

from kanhw.errors import InputError
from kanhw.program import (
    Program,
)
from kanhw.reports import (
    network_curves,
)


class TestCurves:
    def test_edge_tables_against_direct_computation(self, network):
        model, program = network
        curves = network_curves(program, model)
        decodes = [program.input.decode, program.layers[0].requantizers[0].decode]
        for index, layer in enumerate(curves):
            record, exact = program.layers[index], model.layers[index]
            hand_on = record.requantizers[0]
            x = positions(decodes[index], SIGNED6, record.n_in)
            edges = exact.edges(x)
            assert layer.active == len(layer.plots) == int(record.active.sum())
            for plot in layer.plots:
                (trace,) = plot.traces
                j, i = plot.output, plot.input
                unit = hand_on.scale[j] / 2**hand_on.shift
                np.testing.assert_array_equal(trace.integers, record.tables[j, i])
                np.testing.assert_allclose(trace.y, record.tables[j, i] * unit, rtol=1e-12)
                np.testing.assert_array_equal(trace.x, x[:, i])
                assert plot.error == pytest.approx(np.abs(edges[j, i] - trace.y).max(), rel=1e-9)
                assert plot.error_steps <= 0.5 + 1e-9
                fine = np.repeat(trace.fine_x[:, None], record.n_in, axis=1)
                np.testing.assert_allclose(trace.fine_y, exact.edges(fine)[j, i], atol=1e-12)
                assert (trace.fine_x[0], trace.fine_x[-1]) == (x[0, i], x[-1, i])

    def test_planted_fault_shows(self, network):
        model, program = network
        layer = program.layers[0]
        j, i = np.argwhere(layer.active)[0]
        tables = np.array(layer.tables)
        tables[j, i, 10] += 7
        faulty = Program((replace(layer, tables=tables), program.layers[1]), program.input)
        (plot,) = (
            p for p in network_curves(faulty, model)[0].plots if (p.output, p.input) == (j, i)
        )
        assert plot.error_steps > 6

    def test_basis_tables_of_one_stream(self):
        model, program = basis_table_network(shared=True)
        layer = program.layers[1]
        hand_on = layer.requantizers[0]
        x = positions(program.layers[0].requantizers[0].decode, SIGNED6, 4)
        edges = model.layers[1].edges(x)
        curves = network_curves(program, model)[1]
        assert curves.step_name == "step of the layer's output code"
        for plot in curves.plots:
            (trace,) = plot.traces
            j, i = plot.output, plot.input
            expected = hand_on.multipliers[0, j] * sum(
                layer.coefficients[j, i, k] * layer.basis[i, :, k] for k in range(GRID + ORDER)
            )
            expected = expected + hand_on.multipliers[1, j] * (
                layer.base_weights[j, i, 0] * layer.base[i, :, 0]
            )
            np.testing.assert_array_equal(trace.integers, expected)
            assert plot.error == pytest.approx(np.abs(edges[j, i] - trace.y).max())
            assert plot.error < 0.3  # the integers do approximate the edge
            assert plot.step == pytest.approx(hand_on.scale[j])

    def test_basis_tables_sum_up_to_the_layer(self):
        """All traces at one input's codes, added up, are the sums of the Program."""
        model, program = basis_table_network(shared=False)
        layer = program.layers[1]
        curves = network_curves(program, model)[1]
        codes = np.random.default_rng(1).integers(-32, 32, (20, 3))
        spline, base = program.activations(codes)[0]
        total = np.zeros((20, 2), np.int64)
        for plot in curves.plots:
            assert [t.branch for t in plot.traces] == ["spline", "base"]
            j, i = plot.output, plot.input
            total[:, j] += plot.traces[0].integers[spline[:, i] + 32]
            total[:, j] += plot.traces[1].integers[base[:, i] + 16]
        sums = layer.requantizers[0].sums(layer.accumulate((spline + 32, base + 16)))
        np.testing.assert_array_equal(total, sums)

    def test_basis_tables_of_two_streams_against_the_branches(self):
        model, program = basis_table_network(shared=False)
        exact = model.layers[1]
        for plot in network_curves(program, model)[1].plots:
            j, i = plot.output, plot.input
            spline, base = plot.traces
            assert (len(spline.x), len(base.x)) == (64, 32)
            value = exact.basis.evaluate_input(i, spline.x) @ exact.coefficients[j, i]
            assert spline.error == pytest.approx(np.abs(value - spline.y).max())
            value = exact.base_weights[j, i] * exact.base_activation(base.x)
            assert base.error == pytest.approx(np.abs(value - base.y).max())
            assert plot.error == max(spline.error, base.error)

    def test_widest_first_and_limit(self, network):
        program = network[1]
        layer = network_curves(program, limit=4)[0]
        ranges = [np.ptp(plot.traces[0].y) for plot in layer.plots]
        assert len(ranges) == 4
        assert ranges == sorted(ranges, reverse=True)
        unit = program.layers[0].requantizers[0].scale[0] / 8
        assert ranges[0] == pytest.approx(np.ptp(program.layers[0].tables, axis=2).max() * unit)

    def test_integer_network(self):
        program = integer_network()
        (layer,) = network_curves(program)
        plot = layer.plots[0]
        assert not layer.real
        assert plot.error is None
        np.testing.assert_array_equal(plot.traces[0].x, np.arange(16))
        np.testing.assert_array_equal(
            plot.traces[0].y, program.layers[0].tables[plot.output, plot.input]
        )

    def test_model_of_other_sizes(self, network):
        model, _ = edge_table_network((4, 2, 3))
        with pytest.raises(InputError, match=r"^The model has layers \[\(4, 2\), \(2, 3\)\]"):
            network_curves(network[1], model)

    def test_limit_of_zero(self, network):
        with pytest.raises(InputError, match=r"^limit must be at least 1, not 0$"):
            network_curves(network[1], limit=0)
