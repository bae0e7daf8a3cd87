"""DSLX of a Program: what it says, that it is the same every time, and what is refused."""

import re
from dataclasses import replace

import hls_programs
import numpy as np
import pytest

from benchmarks.hardware.dslx import KINDS, dslx_text
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    join_heads,
    with_formats,
)

TINY = """\
// 'tiny': 2 codes, signed 2 bit, to 1.

fn clamp<N: u32>(t: sN[N], lo: sN[N], hi: sN[N]) -> sN[N] {
    if t < lo { lo } else if t > hi { hi } else { t }
}

// Layer 'only': edge_table, 2 to 1.

const LAYER0_0_0: s4[4] = s4[4]:[1, 7, -8, -1];
const LAYER0_0_1: u2[4] = u2[4]:[2, 3, 0, 1];

fn layer0_o0_0(i0: u2[2]) -> u2 {
    let t = s7:3 * ((LAYER0_0_0[i0[0]] as s7) + (LAYER0_0_1[i0[1]] as s7)) + s7:3;
    let t = t >> 2;
    let t = clamp(t, s7:-1, s7:1);
    t as u2
}

pub fn kan(i__payload: uN[4]) -> uN[2] {
    let x0 = i__payload[0:2];
    let x1 = i__payload[2:4];
    let layer0_i0 = u2[2]:[x0, x1];
    let layer0_o0_0 = layer0_o0_0(layer0_i0);
    layer0_o0_0
}
"""


def tiny(**fields):
    form = CodeFormat(2, signed=True)
    join = Requantizer(np.array([[3]]), np.array([1]), 2, form, lo=-1)
    tables = np.array([[[-8, -1, 1, 7], [0, 1, 2, 3]]])
    return Program(
        (EdgeTableLayer(tables, (join,), "only"),), InputEncoder(form, 2), source="tiny", **fields
    )


def test_a_tiny_program_in_full():
    assert dslx_text(tiny()) == TINY


def test_text_is_the_same_every_time_and_shows_a_changed_entry():
    program = hls_programs.edge_program()
    text = dslx_text(program)
    assert text == dslx_text(hls_programs.edge_program())
    first = program.layers[0]
    tables = first.tables.copy()
    tables[1, 2, 5] += 1
    altered = replace(program, layers=(replace(first, tables=tables), *program.layers[1:]))
    lines = zip(text.splitlines(), dslx_text(altered).splitlines(), strict=True)
    changed = [line for line, other in lines if line != other]
    assert len(changed) == 1
    assert changed[0].startswith("const LAYER0_1_2: ")


def test_tables_are_read_by_the_bits_of_codes():
    program = hls_programs.edge_program()
    form = hls_programs.CODE
    found = re.findall(r"const LAYER(\d)_(\d)_(\d): .*:\[(.*)\];", dslx_text(program))
    assert len(found) == program.active_edges
    for number, j, i, values in found:
        entries = [int(value) for value in values.split(", ")]
        table = program.layers[int(number)].tables[int(j), int(i)]
        for code in form.codes().tolist():
            assert entries[code % form.count] == table[code - form.lo]


def test_an_output_without_edges_is_its_bias():
    program = tiny()
    layer = replace(program.layers[0], tables=np.zeros((1, 2, 4), np.int64))
    assert "let t = s7:3 * (s7:0) + s7:3;" in dslx_text(replace(program, layers=(layer,)))


def check_refused(program):
    first = next(layer for layer in program.layers if layer.kind not in KINDS)
    with pytest.raises(InputError) as caught:
        dslx_text(program)
    message = f"layer {first.name!r} of kind {first.kind!r}: the kinds are 'edge_table'"
    assert message in str(caught.value)


def test_a_layer_of_another_kind_is_refused_by_name():
    check_refused(hls_programs.codebook_program())


@pytest.mark.wide
def test_layers_of_every_other_kind_are_refused_by_name():
    others = {
        layer.kind: program
        for program in hls_programs.programs().values()
        for layer in program.layers
        if layer.kind not in KINDS and program.heads == 1 and program.conversion is None
    }
    known = {"basis_table", "branch_edge_table", "codebook", "convolution", "layer_norm"}
    assert known | {"pooling", "product", "spline_evaluator"} <= others.keys()
    for program in others.values():
        check_refused(program)


def test_what_is_around_the_layers_is_refused_by_name():
    codebooks = [hls_programs.codebook_program(seed) for seed in (1, 11)]
    ranged = InputEncoder(hls_programs.CODE, 3, lo=-2)
    edges = hls_programs.edge_program()
    scaled = replace(edges, input=InputEncoder(hls_programs.CODE, 3, scale=0.25))
    for program, what in (
        (tiny(argmax=True), "argmax: use"),
        (join_heads(codebooks), "heads: use"),
        (with_formats(scaled, inputs="q4.6"), "a conversion of its inputs: leave"),
        (replace(edges, input=ranged), "features of fewer codes than their format: leave"),
    ):
        with pytest.raises(InputError, match=f"No DSLX is written for a Program with {what}"):
            dslx_text(program)
