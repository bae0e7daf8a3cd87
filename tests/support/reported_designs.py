"""Designs and results to report on."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from kanhw.design.design import Design, Port
from kanhw.estimation.resources import ResourceEstimate
from kanhw.formats import CodeFormat
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    save_program,
)
from kanhw.schedule.schedule import Schedule

SIGNED6, SIGNED5 = CodeFormat(6, signed=True), CodeFormat(5, signed=True)
GRID, ORDER = 5, 3

CHECK = {
    "engine": "cocotb",
    "simulator": "icarus",
    "simulator_version": "11.0",
    "vectors": 1200,
    "mismatches": 0,
    "expected_mismatches": None,
    "problems": [],
    "latency_cycles": 9,
    "cycles_per_inference": 1.0,
    "inferences_per_second": 812.3,
    "stalls": True,
    "seed": 7,
    "reset_midstream": True,
}

ESTIMATE = ResourceEstimate(
    target="xcup",
    lut=1519,
    lut_by_size={2: 207, 6: 1312},
    lut_memory=0,
    lut_carry=0,
    ff=1832,
    carry=140,
    mux=55,
    inverters=3,
    dsp=0,
    bram=0,
    bram_unit="BRAM18",
    other={},
    recipe="abc",
    alternatives={"abc9": 1702},
    tool="pyosys: Yosys 0.70",
    script="synth_xilinx -top kan\n",
    seconds=12.5,
)


def float_layer(rng, n_in, n_out, name, density=0.8):
    step = 4.0 / GRID
    knots = np.tile(-2 + step * np.arange(-ORDER, GRID + ORDER + 1), (n_in, 1))
    kept = rng.random((n_out, n_in)) < density
    kept[:, 0] = True
    return KanLayer(
        BSplineBasis(knots, ORDER),
        rng.normal(size=(n_out, n_in, GRID + ORDER)) * kept[..., None],
        rng.normal(size=(n_out, n_in)) * kept,
        Activation("silu"),
        rng.normal(size=n_out),
        name,
    )


def requantizer(n_out, shift, format, scale, multipliers=None, zero_point=None):
    return Requantizer(
        np.ones((1, n_out), np.int64) if multipliers is None else multipliers,
        np.zeros(n_out, np.int64),
        shift,
        format,
        scale=scale,
        zero_point=zero_point,
    )


def rounded(x):
    return np.floor(x + 0.5).astype(np.int64)


def positions(decode, format, count):
    return decode(np.tile(format.codes()[:, None], (1, count)))


def edge_table_network(sizes=(4, 3, 3), density=0.8, seed=1):
    """A float network and the tables that round its edges."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    model = KanModel(
        tuple(float_layer(rng, a, b, f"layers.{i}", density) for i, (a, b) in enumerate(pairs))
    )
    encoder = InputEncoder(SIGNED6, sizes[0], scale=np.linspace(0.05, 0.07, sizes[0]))
    layers, decode = [], encoder.decode
    for index, layer in enumerate(model.layers):
        last = index == len(model.layers) - 1
        scale = np.full(layer.n_out, 0.02 if last else 0.1)
        shift = 0 if last else 3
        edges = layer.edges(positions(decode, SIGNED6, layer.n_in))
        tables = rounded(edges / (scale / 2**shift)[:, None, None])
        hand_on = requantizer(
            layer.n_out,
            shift,
            None if last else SIGNED6,
            scale,
            zero_point=np.full(layer.n_out, 0 if last else 2),
        )
        layers.append(EdgeTableLayer(tables, (hand_on,), name=layer.name))
        decode = hand_on.decode
    return model, Program(tuple(layers), encoder, source="a random network")


def basis_table_network(*, shared):
    """One layer of tables in front of a BasisTableLayer with one or two streams."""
    model, program = edge_table_network((3, 4, 2), seed=2)
    first, layer = program.layers[0], model.layers[1]
    streams = (requantizer(4, 3, SIGNED6, np.full(4, 0.1)),)
    base_format = SIGNED6
    if not shared:
        base_format = SIGNED5
        streams += (requantizer(4, 4, SIGNED5, np.full(4, 0.2)),)
    spline_x = positions(streams[0].decode, SIGNED6, 4)
    base_x = positions(streams[-1].decode, base_format, 4)
    basis = np.stack(
        [rounded(15 * layer.basis.evaluate_input(i, spline_x[:, i])) for i in range(4)]
    )
    base = np.stack([rounded(20 * layer.base_activation(base_x[:, i]))[:, None] for i in range(4)])
    scale, shift = np.array([0.05, 0.08]), 14
    unit = scale / 2**shift
    # A coefficient is c * 32, a basis value B * 15; the multipliers make both units of t.
    multipliers = rounded(np.stack([1 / (32 * 15) / unit, 1 / (32 * 20) / unit]))
    second = BasisTableLayer(
        basis=basis,
        basis_index=np.arange(4),
        coefficients=rounded(32 * layer.coefficients),
        base=base,
        base_index=np.arange(4),
        base_weights=rounded(32 * layer.base_weights)[:, :, None],
        requantizers=(requantizer(2, shift, CodeFormat(9, True), scale, multipliers),),
        name=layer.name,
        base_stream=0 if shared else 1,
    )
    first = replace(first, requantizers=streams)
    return model, Program((first, second), program.input)


def integer_network():
    rng = np.random.default_rng(5)
    hand_on = requantizer(2, 0, SIGNED6, None)
    tables = rng.integers(-9, 9, (2, 3, 16))
    return Program((EdgeTableLayer(tables, (hand_on,)),), InputEncoder(CodeFormat(4, False), 3))


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=9,
        initiation_interval=1,
        input=Port(program.n_in, program.input.format),
        output=Port(program.n_out, program.output_format),
    )
