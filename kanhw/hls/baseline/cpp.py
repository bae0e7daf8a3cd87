"""The float network in C++: a function a layer, an edge a turn, bases by recurrence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.errors import InputError
from kanhw.hls.baseline.c_library import Float32s
from kanhw.hls.baseline.reference import ACTIVATIONS, gram_factors
from kanhw.hls.cpp.source import block
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm

__all__ = ["float_sources"]


def float_sources(model: KanModel, name: str = "kan_float") -> dict[str, str]:
    """The C++ of a float network by file name: ``NAME.h``, ``NAME.cpp``, ``NAME_tb.cpp``.

    The top takes features and gives outputs by streams of float. The testbench reads features from
    a binary file of float32, and writes outputs to another.

    Raises
    ------
    InputError
        If there is no float32 C++ of a part of the network.
    """
    tables: list[str] = []
    functions = [_layer(layer, f"layer{k}", tables) for k, layer in enumerate(model.layers)]
    sizes = [model.n_in, *(layer.n_out for layer in model.layers)]
    body = [
        "#pragma HLS INTERFACE axis port=in",
        "#pragma HLS INTERFACE axis port=out",
        *(f"float v{k}[{size}];" for k, size in enumerate(sizes)),
        f"for (int i = 0; i < {sizes[0]}; i++) {{",
        "#pragma HLS PIPELINE II=1",
        "    v0[i] = in.read();",
        "}",
        *(f"layer{k}(v{k}, v{k + 1});" for k in range(len(model.layers))),
        f"for (int j = 0; j < {sizes[-1]}; j++) {{",
        "#pragma HLS PIPELINE II=1",
        f"    out.write(v{len(model.layers)}[j]);",
        "}",
    ]
    signature = f"void {name}(hls::stream<float> &in, hls::stream<float> &out)"
    guard = f"{name.upper()}_H"
    return {
        f"{name}.h": f"#ifndef {guard}\n#define {guard}\n\n#include <hls_stream.h>\n\n"
        f"{signature};\n\n#endif\n",
        f"{name}.cpp": f'#include <math.h>\n#include "{name}.h"\n\n'
        + "\n".join([*tables, *functions])
        + f"\n{signature} {{\n{block(body)}}}\n",
        f"{name}_tb.cpp": _TESTBENCH.format(name=name, n_in=sizes[0], n_out=sizes[-1]),
    }


_TESTBENCH = """#include <stdio.h>
#include "{name}.h"

int main(int argc, char **argv) {{
    if (argc != 3) return 2;
    FILE *features = fopen(argv[1], "rb"), *outputs = fopen(argv[2], "wb");
    if (!features || !outputs) return 2;
    hls::stream<float> in("in"), out("out");
    float x[{n_in}];
    while (fread(x, sizeof(float), {n_in}, features) == {n_in}) {{
        for (int i = 0; i < {n_in}; i++) in.write(x[i]);
        {name}(in, out);
        for (int j = 0; j < {n_out}; j++) {{
            if (out.empty()) return 1;
            const float y = out.read();
            fwrite(&y, sizeof(float), 1, outputs);
        }}
        if (!in.empty() || !out.empty()) return 1;
    }}
    return fclose(outputs) == 0 ? 0 : 1;
}}
"""


def _floats(name: str, values: Float32s, tables: list[str]) -> None:
    """An array of floats, every digit that a float32 needs."""
    array = np.asarray(values, np.float32)
    sizes = "".join(f"[{size}]" for size in array.shape)
    text = ", ".join(f"{float(v):.9e}f" for v in array.ravel())
    tables.append(f"static const float {name}{sizes} = {{{text}}};\n")


def _function(head: str, body: Sequence[str]) -> str:
    return f"static {head} {{\n{block(body)}}}\n"


def _loop(variable: str, count: int, body: Sequence[str], pragma: str = "") -> list[str]:
    return [
        f"for (int {variable} = 0; {variable} < {count}; {variable}++) {{",
        *([f"#pragma HLS {pragma}"] if pragma else []),
        *(line if line.startswith("#") else f"    {line}" for line in body),
        "}",
    ]


def _activation(activation: Activation, value: str, to: str) -> str:
    record = ACTIVATIONS.get(activation.name)
    if record is None or activation.scale:
        raise InputError(
            f"There is no float32 C++ of the activation {activation.name}"
            f"{' with scales' if activation.scale else ''}, only of {', '.join(ACTIVATIONS)}"
        )
    return f"{{ const float x = {value}; {to} = {record[0]}; }}"


def _layer(layer: ModelLayer, name: str, tables: list[str]) -> str:
    if isinstance(layer, PoolLayer):
        return _pool(layer, name, tables)
    if isinstance(layer, ConvLayer):
        window = layer.window
        edges = _dense(layer.taps, f"{name}_window", tables, padded=True)
        index = ", ".join(map(str, window.index.ravel().tolist()))
        tables.append(
            f"static const int {name}_index[{window.positions}][{window.taps}] = {{{index}}};\n"
        )
        body = _loop(
            "p",
            window.positions,
            [
                f"float taps[{window.taps}], sums[{layer.taps.n_out}];",
                f"bool present[{window.taps}];",
                *_loop(
                    "i",
                    window.taps,
                    [
                        f"present[i] = {name}_index[p][i] >= 0;",
                        f"taps[i] = present[i] ? in[{name}_index[p][i]] : 0.0f;",
                    ],
                    "PIPELINE II=1",
                ),
                f"{name}_window(taps, present, sums);",
                *_loop(
                    "j", layer.taps.n_out, [f"out[j * {window.positions} + p] = sums[j];"],
                    "PIPELINE II=1",
                ),
            ],
        )  # fmt: skip
        head = f"void {name}(const float in[{layer.n_in}], float out[{layer.n_out}])"
        return edges + "\n" + _function(head, body)
    return _dense(layer, name, tables, padded=False)


def _dense(layer: KanLayer, name: str, tables: list[str], *, padded: bool) -> str:
    n_in, n_out, count = layer.n_in, layer.n_sums, layer.basis.count
    if layer.symbolic:
        raise InputError(f"{layer.name}: there is no float32 C++ of symbolic edges")
    has_base = layer.base_activation.name != "zero" and bool(layer.base_weights.any())
    _floats(f"{name}_bias", layer.bias.astype(np.float32), tables)
    if has_base:
        _floats(f"{name}_base", layer.base_weights.astype(np.float32), tables)
    if count:
        _floats(f"{name}_coefficients", layer.coefficients.astype(np.float32), tables)
    body, z = [], "in"
    if layer.spline_norm is not None:
        body += [
            f"float z[{n_in}];",
            *_norm(layer.spline_norm, f"{name}_spline", "in", "z", tables),
        ]
        z = "z"
    edges = [
        *([f"out[j] += {name}_base[j][i] * b;"] if has_base else []),
        *(_loop("k", count, [f"out[j] += {name}_coefficients[j][i][k] * basis[k];"])
          if count else []),
    ]  # fmt: skip
    inner = [
        *(["if (!present[i]) continue;"] if padded else []),
        *(["float b;", _activation(layer.base_activation, "in[i]", "b")] if has_base else []),
        *([f"float basis[{max(count, 1)}];", *_basis(layer.basis, name, f"{z}[i]", tables)]
          if count else []),
        *_loop("j", n_out, edges, "PIPELINE"),
    ]  # fmt: skip
    body += [*_loop("j", n_out, [f"out[j] = {name}_bias[j];"], "PIPELINE II=1"),
             *_loop("i", n_in, inner)]  # fmt: skip
    for number, step in enumerate(layer.post):
        if isinstance(step, LayerNorm):
            body += _norm(step, f"{name}_post{number}", "out", "out", tables)
        elif isinstance(step, Activation):
            body += _loop("j", n_out, [_activation(step, "out[j]", "out[j]")], "PIPELINE II=1")
        else:
            raise InputError(f"{layer.name}: there is no float32 C++ of products")
    given = f", const bool present[{n_in}]" if padded else ""
    return _function(f"void {name}(const float in[{n_in}]{given}, float out[{n_out}])", body)


def _basis(basis: Basis, name: str, value: str, tables: list[str]) -> list[str]:
    """Statements that compute ``basis[k]`` of a value of input i."""
    if isinstance(basis, BSplineBasis):
        knots, count, order = basis.knots.shape[1], basis.count, basis.order
        _floats(f"{name}_knots", basis.knots.astype(np.float32), tables)
        t = f"{name}_knots[i]"
        step = (
            f"all[m] = (v - {t}[m]) / ({t}[m + d] - {t}[m]) * all[m] + "
            f"({t}[m + d + 1] - v) / ({t}[m + d + 1] - {t}[m + 1]) * all[m + 1];"
        )
        return [
            f"const float v = {value};",
            f"float all[{knots - 1}];",
            *_loop("m", knots - 1,
                   [f"all[m] = v >= {t}[m] && v < {t}[m + 1] ? 1.0f : 0.0f;"], "PIPELINE II=1"),
            f"for (int d = 1; d <= {order}; d++) {{",
            f"    for (int m = 0; m < {knots - 1} - d; m++) {{",
            "#pragma HLS PIPELINE",
            f"        {step}",
            "    }",
            "}",
            *_loop("k", count, ["basis[k] = all[k];"], "PIPELINE II=1"),
        ]  # fmt: skip
    if isinstance(basis, RadialBasis):
        _floats(f"{name}_centres", basis.centres.astype(np.float32), tables)
        return _loop(
            "k",
            basis.count,
            [
                (
                    f"const float d = ({value} - {name}_centres[k]) / "
                    f"{float(np.float32(basis.denominator)):.9e}f;"
                ),
                "basis[k] = expf(-(d * d));",
            ],
            "PIPELINE",
        )
    if isinstance(basis, GramBasis | ChebyshevBasis):
        return _polynomials(basis, name, value, tables)
    if isinstance(basis, NoBasis):
        return []
    raise InputError(f"There is no float32 C++ of the basis {type(basis).__name__}")


def _polynomials(
    basis: GramBasis | ChebyshevBasis, name: str, value: str, tables: list[str]
) -> list[str]:
    degree = basis.degree
    first = 0 if isinstance(basis, GramBasis) and basis.constant else 1
    lines = [f"const float t = tanhf({value});", f"float p[{max(degree, 1) + 1}];", "p[0] = 1.0f;",
             "p[1] = t;"]  # fmt: skip
    following = "p[m] = 2.0f * t * p[m - 1] - p[m - 2];"
    if isinstance(basis, GramBasis):
        following = f"p[m] = t * p[m - 1] - {name}_q[m - 2] * p[m - 2];"
        if degree > 1:
            _floats(f"{name}_q", gram_factors(basis), tables)
    if degree > 1:
        lines += [f"for (int m = 2; m <= {degree}; m++) {{", "#pragma HLS PIPELINE",
                  f"    {following}", "}"]  # fmt: skip
    activation = basis.activation if isinstance(basis, GramBasis) else None
    last = (
        f"basis[k] = p[k + {first}];"
        if activation is None
        else _activation(activation, f"p[k + {first}]", "basis[k]")
    )
    return [*lines, *_loop("k", basis.count, [last], "PIPELINE")]


def _norm(norm: LayerNorm, name: str, given: str, made: str, tables: list[str]) -> list[str]:
    """Statements of a layer normalisation: mean, variance, one value after the other."""
    n = norm.n
    _floats(f"{name}_gamma", norm.gamma.astype(np.float32), tables)
    _floats(f"{name}_beta", norm.beta.astype(np.float32), tables)
    return [
        "{",
        "    float total = 0.0f, squares = 0.0f;",
        *(f"    {s}" for s in _loop("i", n, [f"total += {given}[i];"])),
        f"    const float mean = total / {n}.0f;",
        *(f"    {s}" for s in _loop(
            "i", n, [f"const float d = {given}[i] - mean;", "squares += d * d;"])),
        (f"    const float root = sqrtf(squares / {n}.0f + "
        f"{float(np.float32(norm.epsilon)):.9e}f);"),
        *(f"    {s}" for s in _loop(
            "i", n,
            [f"{made}[i] = {name}_gamma[i] * ({given}[i] - mean) / root + {name}_beta[i];"])),
        "}",
    ]  # fmt: skip


def _pool(layer: PoolLayer, name: str, tables: list[str]) -> str:
    window = layer.window
    channels, area = window.shape[0], window.size[0] * window.size[1]
    index = ", ".join(map(str, window.index.ravel().tolist()))
    tables.append(
        f"static const int {name}_index[{window.positions}][{channels}][{area}] = {{{index}}};\n"
    )
    value = f"in[{name}_index[p][c][k]]"
    take = (
        f"total += {value};"
        if layer.kind == "average"
        else (f"if ({value} > total) total = {value};")
    )
    last = f"total / {area}.0f" if layer.kind == "average" else "total"
    body = _loop("p", window.positions, _loop("c", channels, [
        f"float total = in[{name}_index[p][c][0]];",
        f"for (int k = 1; k < {area}; k++) {{",
        f"    {take}",
        "}",
        f"out[c * {window.positions} + p] = {last};",
    ]))  # fmt: skip
    return _function(f"void {name}(const float in[{layer.n_in}], float out[{layer.n_out}])", body)
