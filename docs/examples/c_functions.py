"""A back end of your own: this file, and one registration at its end.

``python c_functions.py generate kan.safetensors --out c --backend c_functions`` writes a Program as
one file of plain C: tables, a function for every layer, and one for the network. Which layers
there are and in which order they follow, the layout says (``kanhw.schedule.layout``), which knows
no Amaranth; what a kind of layer becomes is found in a table by its kind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.flow.backend import Written
from kanhw.flow.backends import register_backend
from kanhw.formats import CodeFormat, IntArray
from kanhw.program import BranchEdgeTableLayer, EdgeTableLayer, Program, Requantizer
from kanhw.schedule.layout import lay_out
from kanhw.schedule.schedule import Schedule

# Rounds half up; >> of a negative integer is arithmetic in every C compiler that is in use.
CLAMP = """static inline int64_t clamped(int64_t q, int64_t lo, int64_t hi) {
    return q < lo ? lo : q > hi ? hi : q;
}
static inline int64_t rounded(int64_t t, int shift) {
    return shift ? (t + ((int64_t)1 << (shift - 1))) >> shift : t;
}
"""


class CFunctions:
    """C of layers whose edges are tables. Its option ``prefix`` begins all names ("kan")."""

    name = "c_functions"
    options = ("prefix",)

    def write(self, program: Program, schedule: Schedule, options: Mapping[str, object]) -> Written:
        """One file, ``PREFIX.c``, with a function ``PREFIX(codes, outputs)``."""
        prefix = str(options.get("prefix", "kan"))
        if not re.fullmatch(r"[a-z]\w*", prefix):
            raise InputError(
                f"prefix must be a C identifier that begins with a small letter, not {prefix!r}"
            )
        if program.argmax:
            raise InputError("C functions hand out outputs, not an index: generate without argmax")
        numbers = [number for s in lay_out(program, schedule).stages for number in s.layers]
        parts = ["#include <stdint.h>\n", CLAMP]
        source = program.input.format
        for number in numbers:
            layer = program.layers[number]
            parts.append(_function(f"{prefix}_{number}", layer, source))
            source = layer.requantizers[0].output_format
        parts.append(_network(prefix, program, numbers))
        facts = {"function": prefix, "inputs": program.n_in, "outputs": program.n_out}
        return Written({f"{prefix}.c": "\n".join(parts).encode()}, facts)


def _function(name: str, layer: Any, source: CodeFormat) -> str:
    """The tables of a layer, and the function that reads them."""
    tables_of = TABLES.get(layer.kind)
    if tables_of is None or len(layer.requantizers) != 1:
        raise InputError(
            f"Layer {layer.name!r}: there are C functions of layers of kind {', '.join(TABLES)} "
            f"with one stream of codes, not of kind {layer.kind!r}: quantize to one of these"
        )
    join: Requantizer = layer.requantizers[0]
    constants = [_array(f"{name}_bias", join.bias)]
    sums = []
    for b, tables in enumerate(tables_of(layer)):
        constants.append(_array(f"{name}_tables{b}", tables))
        constants.append(_array(f"{name}_factors{b}", join.multipliers[b]))
        sums.append(
            f"        int64_t sum{b} = 0;\n"
            f"        for (int i = 0; i < {layer.n_in}; i++)\n"
            f"            sum{b} += {name}_tables{b}[j][i][codes[i] - ({source.lo})];\n"
            f"        t += {name}_factors{b}[j] * sum{b};\n"
        )
    result = "t"
    if join.format is not None:
        lo, hi = join.code_ends
        constants += [_array(f"{name}_lo", lo), _array(f"{name}_hi", hi)]
        result = f"clamped(rounded(t, {join.shift}), {name}_lo[j], {name}_hi[j])"
    return (
        "".join(constants) + f"static void {name}(const int64_t *codes, int64_t *outputs) {{\n"
        f"    for (int j = 0; j < {layer.n_out}; j++) {{\n"
        f"        int64_t t = {name}_bias[j];\n{''.join(sums)}"
        f"        outputs[j] = {result};\n    }}\n}}\n"
    )


def _network(prefix: str, program: Program, numbers: list[int]) -> str:
    """The function of the network: its input's codes clamped, then layer after layer."""
    lo, hi = program.input.code_ends
    widest = max([program.n_in, *(program.layers[number].n_out for number in numbers)])
    calls = "".join(
        f"    {prefix}_{number}(values[{k % 2}], values[{(k + 1) % 2}]);\n"
        for k, number in enumerate(numbers)
    )
    return (
        _array(f"{prefix}_lo", lo)
        + _array(f"{prefix}_hi", hi)
        + f"void {prefix}(const int64_t *codes, int64_t *outputs) {{\n"
        f"    int64_t values[2][{widest}];\n"
        f"    for (int i = 0; i < {program.n_in}; i++)\n"
        f"        values[0][i] = clamped(codes[i], {prefix}_lo[i], {prefix}_hi[i]);\n{calls}"
        f"    for (int j = 0; j < {program.n_out}; j++) "
        f"outputs[j] = values[{len(numbers) % 2}][j];\n}}\n"
    )


def _array(name: str, values: IntArray) -> str:
    """Constants, in braces for every dimension."""
    text = str(np.asarray(values).tolist()).replace("[", "{").replace("]", "}")
    sizes = "".join(f"[{size}]" for size in np.shape(values))
    return f"static const int64_t {name}{sizes} = {text};\n"


def _edge_table(layer: EdgeTableLayer) -> tuple[IntArray, ...]:
    return (layer.tables,)


def _branch_edge_table(layer: BranchEdgeTableLayer) -> tuple[IntArray, ...]:
    return layer.spline_tables, layer.base_tables


# The tables of every branch, for every kind that there is C of.
TABLES: dict[str, Callable[[Any], tuple[IntArray, ...]]] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
}

register_backend(CFunctions())

if __name__ == "__main__":
    from kanhw.cli import main

    sys.exit(main())
