"""The float32 network in C++ gives the bits of numpy's float32 in the same order."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hls_programs import needs_headers
from reported_kinds import NETWORKS

from kanhw.errors import InputError
from kanhw.hls import float_sources, run_float32
from kanhw.hls.simulation.compiler import find_compiler, find_headers
from kanhw.model.activation import Activation


def network(name):
    model, x = NETWORKS[name]()
    if name == "py_kan":
        plain = tuple(replace(layer, symbolic=(), post=()) for layer in model.layers[:1])
        model = replace(model, layers=plain)
    return model, np.asarray(x, np.float32).reshape(len(x), -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_float32_is_near_float64(name):
    model, x = network(name)
    exact = model(x.astype(np.float64)).reshape(len(x), -1)
    near = run_float32(model, x)
    assert near.dtype == np.float32
    np.testing.assert_allclose(near, exact, atol=3e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_c_gives_the_bits_of_numpy(name, tmp_path):
    needs_headers()
    model, x = network(name)
    for file, text in float_sources(model).items():
        (tmp_path / file).write_text(text)
    command = [*find_compiler().command, "-O2", "-std=c++11", "-ffp-contract=off"]
    command += ["-Wno-unknown-pragmas", "-isystem", str(find_headers()), "-o", "program"]
    subprocess.run([*command, "kan_float.cpp", "kan_float_tb.cpp"], cwd=tmp_path, check=True)
    x.tofile(tmp_path / "x.bin")
    subprocess.run(["./program", "x.bin", "y.bin"], cwd=tmp_path, check=True)
    y = np.fromfile(tmp_path / "y.bin", np.int32).reshape(len(x), -1)
    np.testing.assert_array_equal(y, run_float32(model, x).view(np.int32))


def test_what_has_no_float32_c_is_refused():
    model, _ = NETWORKS["py_kan"]()
    with pytest.raises(InputError, match=r"there is no float32 C\+\+ of symbolic edges"):
        float_sources(model)
    model, x = network("fast_kan")
    other = replace(model.layers[0], base_activation=Activation("gelu"))
    changed = replace(model, layers=(other, *model.layers[1:]))
    for use in (float_sources, lambda m: run_float32(m, x)):
        with pytest.raises(InputError, match="of the activation gelu, only of silu"):
            use(changed)
