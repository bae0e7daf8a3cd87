"""The documentation's example of an own basis and an own realisation works, down to hardware."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw import KanModel
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation.resource_model import model_design
from kanhw.formats import CodeFormat
from kanhw.gateware.top.registration import register_realisation
from kanhw.gateware.unrolled.edge_table import EdgeTableCore
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES
from kanhw.model.activation import Activation
from kanhw.model.network import KanLayer
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.sim import find_simulator

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


@pytest.fixture
def own(monkeypatch):
    kinds = dict(LAYER_KINDS), dict(LAYER_CORES)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("own_parts")
    del sys.modules["own_parts"]
    for table, before in zip((LAYER_KINDS, LAYER_CORES), kinds, strict=True):
        table.clear()
        table.update(before)


@pytest.fixture
def simulator():
    try:
        return find_simulator().name
    except ToolNotFound as error:
        pytest.skip(str(error))


def test_an_own_basis_becomes_hardware(own, tmp_path, simulator):
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
    design = kanhw.generate(program, tmp_path / "design")
    assert kanhw.simulate(design, x[:50], simulator=simulator).passed


def test_an_own_realisation_becomes_hardware(own, tmp_path, simulator):
    rng, code = np.random.default_rng(0), CodeFormat(4, True)
    join = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 3, code)
    layers = (
        own.SharedTableLayer(rng.integers(-9, 9, (2, 16)), [[1, -2], [4, 0], [3, 8]], (join,)),
        EdgeTableLayer(
            rng.integers(-9, 9, (1, 3, 16)), (Requantizer(np.ones((1, 1), int), [0]),), "edges"
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


def test_a_core_says_what_it_costs(own):
    class Silent(LayerCore):
        pass

    layer = type("Layer", (own.SharedTableLayer,), {"kind": "silent"})
    message = r"^The core of layers of kind 'silent' does not say what it costs: give Silent a"
    with pytest.raises(InputError, match=message):
        register_realisation(layer, Silent)
    assert "silent" not in LAYER_CORES
    assert "silent" not in LAYER_KINDS


def test_a_kind_is_registered_once(own):
    register_realisation(own.SharedTableLayer, own.SharedTableCore)
    with pytest.raises(InputError, match=r"^There are layers of kind 'shared_table' already"):
        register_realisation(own.SharedTableLayer, EdgeTableCore)
    assert LAYER_CORES["shared_table"] is own.SharedTableCore
