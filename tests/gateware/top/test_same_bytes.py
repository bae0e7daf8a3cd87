"""The same Program and Schedule give the same bytes, in every process."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

CODE = CodeFormat(3, True)
FOLDED = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2)

# What another process runs.
SCRIPT = """
import json, runpy, sys
functions = runpy.run_path(sys.argv[1])
print(json.dumps(functions["hashes"](sys.argv[2])))
"""


def hashes(folder):
    """Generate every design; the hashes of all files, by name."""
    found = {}
    for name, (program, schedule, options) in designs().items():
        design = kanhw.generate(program, Path(folder) / name, schedule=schedule, **options)
        for path in sorted(design.path.iterdir()):
            found[f"{name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def join(rng, branches, n_out):
    return (
        Requantizer(rng.integers(1, 9, (branches, n_out)), rng.integers(-9, 9, n_out), 3, CODE),
    )


def edges(rng, n_in, n_out):
    return EdgeTableLayer(rng.integers(-9, 9, (n_out, n_in, 8)), join(rng, 1, n_out))


def tables(rng, n_in, n_out):
    """What basis tables and codebooks have in common."""
    return {
        "base": rng.integers(-8, 8, (1, 8, 1)),
        "base_index": np.zeros(n_in, int),
        "base_weights": rng.integers(-4, 5, (n_out, n_in, 1)),
        "requantizers": join(rng, 2, n_out),
    }


def bases(rng, n_in, n_out):
    return BasisTableLayer(
        basis=rng.integers(0, 8, (2, 8, 3)),
        basis_index=rng.integers(0, 2, n_in),
        coefficients=rng.integers(-8, 8, (n_out, n_in, 3)),
        **tables(rng, n_in, n_out),
    )


def codebook(rng, n_in, n_out):
    return CodebookLayer(
        shapes=rng.integers(-8, 8, (3, 8)),
        index=rng.integers(0, 3, (n_out, n_in)),
        gains=rng.integers(-4, 5, (n_out, n_in)),
        **tables(rng, n_in, n_out),
    )


def programs():
    """Every kind of layer is in one of them."""
    rng = np.random.default_rng(0)
    norm = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 20, CODE)
    product = Requantizer(np.ones((1, 2), int), np.zeros(2, int), 2, CODE)
    branches = BranchEdgeTableLayer(
        *(rng.integers(-9, 9, (3, 3, 8)) for _ in range(2)), join(rng, 2, 3)
    )
    window, pool = Window((1, 4, 4), (2, 2)), Window((2, 3, 3), (3, 3))
    pooled = Requantizer(np.ones((1, 2), int), np.zeros(2, int), 2, CODE)
    layers = {
        "vectors": (
            edges(rng, 3, 3),
            bases(rng, 3, 3),
            codebook(rng, 3, 3),
            NormLayer(np.full(3, 200), 30, 16, 3, (norm,)),
            branches,
            ProductLayer(((0, 1), (2,)), 3, CODE.width, CODE.lo, (product,)),
            edges(rng, 2, 2),
        ),
        "image": (
            ConvolutionLayer(edges(rng, 4, 2), window),
            PoolingLayer(np.arange(8), "sum", pool, (pooled,)),
            edges(rng, 2, 3),
        ),
    }
    return {name: Program(each, InputEncoder(CODE, each[0].n_in)) for name, each in layers.items()}


def heads():
    """Two networks whose heads can be written."""
    rng = np.random.default_rng(1)
    first = codebook(rng, 3, 2)
    layers = (first, replace(codebook(rng, 3, 2), shapes=first.shapes))
    programs = [Program((layer,), InputEncoder(CODE, 3)) for layer in layers]
    return join_heads(programs, writable=True)


def designs():
    """Every Program unrolled, and the other schedule and interfaces."""
    made = programs()
    found = {name: (program, Schedule(), {}) for name, program in made.items()}
    found["heads"] = (heads(), FOLDED, {"interface": "axi4-stream"})
    return found


@pytest.mark.wide
def test_same_bytes_in_every_process(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    here = hashes(ours)
    # Sets are in another order there.
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, __file__, theirs],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert json.loads(done.stdout) == here
    texts = [found for name, found in here.items() if name.endswith("kan.v")]
    assert len(set(texts)) == len(texts) == len(designs())
