"""The data of a report."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from reported_designs import (
    CHECK,
    SIGNED5,
    SIGNED6,
    basis_table_network,
    design_of,
)

from kanhw.errors import InputError
from kanhw.reports import (
    Summary,
    summarise,
)


@dataclass
class FakeReport:
    vectors: int

    def to_json(self):
        return {**CHECK, "vectors": self.vectors, "mismatches": np.int64(0), "first": (1, 2)}


class TestSummary:
    def test_round_trip(self, full_summary):
        text = json.dumps(full_summary.to_json())
        assert Summary.from_json(json.loads(text)) == full_summary
        assert json.dumps(Summary.from_json(json.loads(text)).to_json()) == text

    def test_round_trip_of_reports(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path), checks=[FakeReport(5)])
        assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
        assert summary.checks[0]["mismatches"] == 0

    def test_facts(self, network, full_summary):
        program = network[1]
        layer, facts = program.layers[0], full_summary.layers[0]
        assert (facts.n_in, facts.n_out, facts.kind) == (4, 3, "edge_table")
        assert facts.active_edges == int(layer.active.sum()) < 12
        assert facts.inputs == {"edge": SIGNED6}
        assert facts.outputs == (SIGNED6,)
        assert facts.accumulators == {"edge": layer.accumulator_formats[0]}
        assert facts.sums == (layer.requantizers[0].sum_format,)
        width = max(int(np.abs(2 * layer.tables + 1).max()).bit_length(), 1)
        assert facts.parameter_bits == facts.active_edges * 64 * width
        assert full_summary.shape == (4, 3, 3)
        assert full_summary.tools["icarus"] == "11.0"
        assert full_summary.tools["synthesis"] == "pyosys: Yosys 0.70"

    def test_facts_of_two_streams(self, tmp_path):
        _, program = basis_table_network(shared=False)
        facts = summarise(design_of(program, tmp_path)).layers
        assert facts[0].outputs == (SIGNED6, SIGNED5)
        assert facts[1].inputs == {"spline": SIGNED6, "base": SIGNED5}
        assert set(facts[1].accumulators) == {"spline", "base"}

    def test_title_falls_back_to_the_source(self, network, tmp_path):
        assert summarise(design_of(network[1], tmp_path)).title == "a random network"
        longer = replace(network[1], source="net.pt: a KAN; base_activation silu; rounded")
        (tmp_path / "longer").mkdir()
        summary = summarise(design_of(longer, tmp_path / "longer"))
        assert (summary.title, summary.source) == ("net.pt: a KAN", longer.source)

    @pytest.mark.parametrize("data", [{}, {"format": 1}, {"format": 1, "layers": 3}])
    def test_not_a_summary(self, data):
        with pytest.raises(InputError, match=r"^This is not a summary of this version"):
            Summary.from_json(data)

    def test_newer_format(self, full_summary):
        with pytest.raises(InputError, match=r"^This summary has format 2; .*upgrade kanhw$"):
            Summary.from_json({**full_summary.to_json(), "format": 2})

    def test_check_without_vectors(self, network, tmp_path):
        with pytest.raises(InputError, match=r"^A check must name its vectors, mismatches, which"):
            summarise(design_of(network[1], tmp_path), checks=[{"engine": "fast"}])

    def test_check_of_wrong_type(self, network, tmp_path):
        with pytest.raises(TypeError, match=r"^A check must be an equivalence report"):
            summarise(design_of(network[1], tmp_path), checks=[3])
