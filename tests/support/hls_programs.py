"""Programs of every kind of layer, tiny, and the folder of headers that their C++ needs."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from reported_kinds import NETWORKS

import kanhw
from kanhw.errors import ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.hls.simulation.compiler import find_compiler, find_headers
from kanhw.model.bases.basis import NoBasis
from kanhw.model.convolution import PoolLayer
from kanhw.program import (
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    join_heads,
    with_formats,
)
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

ONE_BY_ONE = Schedule(kind="folded")
FOLDED = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=3)
CODE = CodeFormat(3, signed=True)


def edge_program(n_in=3, sizes=(4, 2), seed=0, **last):
    """Edge tables with ranges of codes in between; ``last`` are fields of the Program."""
    rng = np.random.default_rng(seed)
    layers, given = [], n_in
    for number, n_out in enumerate(sizes):
        tables = rng.integers(-9, 10, (n_out, given, 8))
        factors, bias = rng.integers(1, 9, (1, n_out)), rng.integers(-9, 9, n_out)
        end = number == len(sizes) - 1
        join = Requantizer(factors, bias) if end else Requantizer(factors, bias, 4, CODE, lo=-3)
        layers.append(EdgeTableLayer(tables, (join,), f"layers.{number}"))
        given = n_out
    return Program(tuple(layers), InputEncoder(CODE, n_in), **last)


def codebook(seed, n_in, n_out, last):
    """A codebook layer with offsets and a base branch."""
    rng, edges = np.random.default_rng(seed), (n_out, n_in)
    join = Requantizer(rng.integers(1, 9, (2, n_out)), rng.integers(-9, 9, n_out))
    if not last:
        join = replace(join, shift=5, format=CODE)
    shapes = np.random.default_rng(7).integers(-8, 9, (3, 8))
    return CodebookLayer(
        shapes=shapes, index=rng.integers(0, 3, edges), gains=rng.integers(-4, 5, edges),
        base=rng.integers(-5, 6, (2, 8, 1)), base_index=np.arange(n_in) % 2,
        base_weights=rng.integers(-3, 4, (*edges, 1)), requantizers=(join,),
        biases=rng.integers(-2, 3, edges), offsets=rng.integers(1, 5, (2, 8)),
        offsets_index=np.arange(n_in) // 2, name="codebook",
    )  # fmt: skip


def codebook_program(seed=1):
    """Two codebook layers."""
    layers = (codebook(seed, 3, 4, False), codebook(seed + 1, 4, 2, True))
    return Program(layers, InputEncoder(CODE, 3))


def whole_images():
    """A convolution, whose images are pooled whole, and a layer behind."""
    model, x = NETWORKS["images"]()
    first, _, _, last = model.layers
    rng = np.random.default_rng(5)
    last = replace(
        last,
        basis=NoBasis(3),
        coefficients=np.empty((3, 3, 0)),
        base_weights=rng.normal(size=(3, 3)),
    )
    pool = PoolLayer("average", Window((3, 5, 4), (5, 4)), "pool")
    model = replace(model, layers=(first, pool, last))
    return kanhw.quantize(model, x, activation_bits=5)


@functools.cache
def programs():
    """Every kind of layer and stage by a name; each with the schedules that it is tried under."""
    made = {
        "edge_table": edge_program(),
        "argmax": edge_program(argmax=True, sizes=(4, 5)),
        "codebook": codebook_program(),
        "heads": join_heads([codebook_program(1), codebook_program(11)]),
    }
    ranged = edge_program(seed=3)
    lo = np.array([-3, -4, -2])
    made["input_ranges"] = replace(ranged, input=InputEncoder(CODE, 3, lo=lo, hi=lo + 4))
    for name, options in {
        "fast_kan": {"realisation": "edge_table"},
        "kagn": {"realisation": "basis_table"},
        "py_kan": {"realisation": "edge_table"},
        "images": {"realisation": "basis_table"},
        "images_of_edges": {"realisation": "edge_table", "table_bits": 5},
        "evaluated": {"realisation": "spline_evaluator"},
        "images_of_maxima": {"realisation": "codebook", "codebook.size": 4},
    }.items():
        source = {"evaluated": "py_kan"}.get(name, name.partition("_of_")[0])
        model, x = NETWORKS[source]()
        if name == "evaluated":
            model = replace(
                model,
                layers=tuple(replace(layer, symbolic=(), post=()) for layer in model.layers[:1]),
            )
        if name == "images_of_maxima":
            most = replace(model.layers[2], kind="max")
            model = replace(model, layers=(*model.layers[:2], most, *model.layers[3:]))
        made[name] = kanhw.quantize(model, x, activation_bits=5, **options)
    made["whole_images"] = whole_images()
    made["conversion"] = with_formats(made["py_kan"], inputs="q4.6", outputs="q8.4")
    return made


NAMES = (
    *("edge_table", "argmax", "codebook", "heads", "input_ranges", "fast_kan", "kagn", "py_kan"),
    *("whole_images", "images", "images_of_edges", "images_of_maxima", "evaluated", "conversion"),
)


def stimulus(program, count, seed=0):
    """Codes over the whole format, heads (None without), and what must come of them."""
    rng, form = np.random.default_rng(seed), program.input.format
    codes = rng.integers(form.lo, form.hi + 1, (count, program.n_in))
    if program.heads == 1:
        return codes, None, program(codes)
    heads = rng.integers(0, program.heads, count)
    return codes, heads, program(codes, head=heads)


def needs_headers():
    """Skip a test where C++ cannot be compiled."""
    try:
        find_headers()
        find_compiler()
    except ToolNotFound as error:
        pytest.skip(str(error))
