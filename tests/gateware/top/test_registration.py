"""The documentation's example of an own basis and an own realisation works, down to hardware."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw import KanModel
from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation.resource_model import model_design
from kanhw.formats import CodeFormat
from kanhw.gateware.folded.folded_layer import FOLDED_BRANCHES
from kanhw.gateware.top.registration import register_realisation
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.gateware.unrolled.edge_table import EdgeTableCore
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES
from kanhw.model.activation import Activation
from kanhw.model.bases.grids import GRIDS
from kanhw.model.network import KanLayer
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.program.costs import LAYER_COSTS, costs_of
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.reports.kinds.kinds import LAYER_REPORTS
from kanhw.schedule.layer_layouts import LAYER_LAYOUTS
from kanhw.schedule.layout import lay_out
from kanhw.sim import find_simulator

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


@pytest.fixture
def own(monkeypatch):
    tables = (
        *(LAYER_KINDS, LAYER_COSTS, LAYER_LAYOUTS, LAYER_CORES, FOLDED_BRANCHES),
        *(LAYER_REPORTS, GRIDS),
    )
    kinds = [dict(table) for table in tables]
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("own_parts")
    del sys.modules["own_parts"]
    for table, before in zip(tables, kinds, strict=True):
        table.clear()
        table.update(before)


@pytest.fixture
def simulator():
    try:
        return find_simulator().name
    except ToolNotFound as error:
        pytest.skip(str(error))


def test_an_own_basis_becomes_hardware(own, run_core):
    rng = np.random.default_rng(0)
    layer = KanLayer(
        basis=own.TriangleWaves(2, 3),
        coefficients=rng.normal(size=(2, 2, 3)),
        base_weights=np.zeros((2, 2)),
        base_activation=Activation("silu"),
        bias=np.zeros(2),
        name="waves",
    )
    model, x = KanModel((layer,), "an example"), rng.uniform(-2, 2, (200, 2))
    assert np.allclose(layer.basis(np.array([[0.0, 2.0]]))[0, :, 0], [1, -1])
    for realisation in ("edge_table", "basis_table"):
        program = kanhw.quantize(model, x, realisation=realisation, activation_bits=5)
        assert program.layers[0].kind == realisation
        y = program.decode_output(program(program.input.encode(x)))
        assert np.abs(y - model(x)).max() < 0.2 * np.ptp(model(x))
    # What is told of its grid is a record, and without one it is asked for.
    assert {use.outside for use in kanhw.quality(model, program, x).features} == {None}
    del GRIDS[own.TriangleWaves]
    with pytest.raises(InputError, match=r"no grid of bases of kind 'TriangleWaves', only of "):
        kanhw.quality(model, program, x)
    codes = program.input.encode(x[:50])
    np.testing.assert_array_equal(run_core(program, kanhw.Schedule(), codes), program(codes))


def test_an_own_realisation_becomes_hardware(own, tmp_path, simulator):
    rng, code = np.random.default_rng(0), CodeFormat(4, True)
    join = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 3, code)
    layers = (
        own.SharedTableLayer(rng.integers(-9, 9, (2, 16)), [[1, -2], [4, 0], [3, 8]], (join,)),
        EdgeTableLayer(
            rng.integers(-99, 99, (1, 3, 16)),
            (Requantizer(np.ones((1, 1), int), [0], 1, CodeFormat(8, True)),),
            "edges",
        ),
    )
    program = Program(layers, InputEncoder(code, 2))
    kanhw.save_program(program, tmp_path / "program.safetensors")
    again = kanhw.load_program(tmp_path / "program.safetensors")
    assert isinstance(again.layers[0], own.SharedTableLayer)
    codes = np.stack(np.meshgrid(code.codes(), code.codes()), axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(again(codes), program(codes))
    first = layers[0].factors @ np.array([layers[0].tables[0, 3], layers[0].tables[1, 9]])
    np.testing.assert_array_equal(layers[0].accumulate((np.array([[3, 9]]),))[0][0], first)
    design = kanhw.generate(again, tmp_path / "design")
    result = kanhw.simulate(design, codes, simulator=simulator)
    assert result.passed and result.equivalence.vectors == 256


def test_an_own_realisation_is_folded(own, tmp_path, stream_run):
    program, codes = _shared(own), np.random.default_rng(1).integers(-8, 8, (60, 3))
    schedule = kanhw.Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2)
    stages = lay_out(program, schedule).stages
    assert [stage.kind for stage in stages] == ["folded"]
    design = kanhw.generate(program, tmp_path / "design", schedule=schedule)
    assert design.initiation_interval == stages[0].interval == 4
    words = payload_ints(pack_codes(codes, design.input))
    run = stream_run(StreamTop(program, schedule), words, 60 * design.output.beats)
    found = unpack_codes(ints_to_words(run.words, design.output), design.output)
    np.testing.assert_array_equal(found, program(codes))
    report = kanhw.report(design, tmp_path / "report.html")
    assert "shared table" in Path(report).read_text(encoding="utf-8")


def _shared(own):
    """Three inputs, four outputs, one layer of the own kind."""
    rng, code = np.random.default_rng(2), CodeFormat(4, True)
    join = Requantizer(np.ones((1, 4), int), np.zeros(4, int), 3, code)
    factors = rng.integers(-5, 6, (4, 3))
    layer = own.SharedTableLayer(rng.integers(-9, 9, (3, 16)), factors, (join,))
    return Program((layer,), InputEncoder(code, 3))


def test_an_own_realisation_is_modelled(own):
    rng, code = np.random.default_rng(0), CodeFormat(4, True)
    join = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 3, code)
    layer = own.SharedTableLayer(rng.integers(-9, 9, (2, 16)), [[1, -2], [4, 0], [3, 8]], (join,))
    program = Program((layer,), InputEncoder(code, 2))
    same = Program((EdgeTableLayer(layer.edge_tables(), (join,)),), InputEncoder(code, 2))
    modelled = model_design(program, kanhw.Schedule())
    assert modelled == model_design(same, kanhw.Schedule())
    assert modelled.lut > 0
    chosen = kanhw.schedule_for(program, kanhw.Budget(lut=modelled.lut))
    assert chosen.schedule.kind == "unrolled"


def test_an_own_realisation_has_costs_by_itself_and_folded(own):
    program = _shared(own)
    layer = program.layers[0]
    costs = costs_of(program)
    tables, factors = layer.tables.size * 5, np.count_nonzero(layer.factors) * 4
    assert costs.parameter_bits >= tables + factors
    assert costs.look_ups == 3
    assert costs.multiplications >= np.count_nonzero(layer.factors)
    chosen = kanhw.schedule_for(program, kanhw.Budget(clocks=6))
    assert chosen.resources == model_design(program, chosen.schedule)
    folded = model_design(program, kanhw.Schedule(kind="folded"))
    assert 0 < folded.lut < model_design(program, kanhw.Schedule()).lut


def test_what_is_not_registered_as_folded_is_unrolled(own):
    layer = type("Layer", (own.SharedTableLayer,), {"kind": "stiff"})
    register_realisation(layer, own.SharedTableCore, costs=LAYER_COSTS["shared_table"])
    shared = _shared(own).layers[0]
    stiff = layer(shared.tables, shared.factors, shared.requantizers)
    program = Program((stiff,), InputEncoder(CodeFormat(4, True), 3))
    stages = lay_out(program, kanhw.Schedule(kind="folded")).stages
    assert [stage.kind for stage in stages] == ["pipeline"]


def test_a_core_says_what_it_costs(own):
    class Silent(LayerCore):
        pass

    layer = type("Layer", (own.SharedTableLayer,), {"kind": "silent"})
    message = r"^The core of layers of kind 'silent' does not say what it costs: give Silent a"
    with pytest.raises(InputError, match=message):
        register_realisation(layer, Silent, costs=LAYER_COSTS["shared_table"])
    assert "silent" not in LAYER_CORES
    assert "silent" not in LAYER_KINDS


def test_a_kind_is_registered_once(own):
    costs, folded = LAYER_COSTS["shared_table"], own.folded_parts
    register_realisation(own.SharedTableLayer, own.SharedTableCore, costs=costs, folded=folded)
    with pytest.raises(InputError, match=r"^There are layers of kind 'shared_table' already"):
        register_realisation(own.SharedTableLayer, EdgeTableCore, costs=costs, folded=folded)
    assert LAYER_CORES["shared_table"] is own.SharedTableCore
