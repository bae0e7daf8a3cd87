"""Images pass pixel by pixel: packing, both simulations, latency and interval."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sealed import seal_again

from kanhw.design.design import Design, Port
from kanhw.design.manifest import MANIFEST
from kanhw.design.packing import pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError, ToolNotFound
from kanhw.flow.generation import generate
from kanhw.formats import CodeFormat
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    PoolingLayer,
    Program,
    Requantizer,
)
from kanhw.sim import Simulator, check_design, run_cocotb, run_fast
from kanhw.tools.simulators import find_verilator
from kanhw.windows import Window

CODE = CodeFormat(3, False)


def _requantizer(n_out: int, shift: int = 3, format: CodeFormat | None = CODE) -> Requantizer:
    return Requantizer(np.ones((1, n_out), int), np.full(n_out, 4 << shift), shift, format)


def _tables(rng: np.random.Generator, n_out: int, n_in: int, name: str) -> EdgeTableLayer:
    return EdgeTableLayer(rng.integers(-9, 10, (n_out, n_in, 8)), (_requantizer(n_out),), name)


def _program(*, to_image: bool = False) -> Program:
    """Convolution, convolution with stride 2, largest of 2x2 and a dense layer over the rest."""
    rng = np.random.default_rng(1)
    first = ConvolutionLayer(_tables(rng, 2, 9, "first"), Window((1, 8, 7), (3, 3), (1, 1), (1, 1)))
    second = ConvolutionLayer(
        _tables(rng, 3, 18, "second"), Window((2, 8, 7), (3, 3), (2, 2), (1, 1))
    )
    values = np.array([0, 0, 0, 1, 2, 3, 4, 5])
    window = Window((3, 4, 4), (2, 2), (2, 2))
    pool = PoolingLayer(values, "max", window, (_requantizer(12, 0),))
    dense = EdgeTableLayer(
        rng.integers(-9, 10, (4, 12, 8)), (Requantizer(np.ones((1, 4), int), np.arange(4), 0),)
    )
    layers = (first, second) if to_image else (first, second, pool, dense)
    return Program(layers, InputEncoder(CODE, 56))


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    return generate(_program(), tmp_path_factory.mktemp("beats") / "design")


@pytest.fixture(scope="module")
def image_design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    return generate(_program(to_image=True), tmp_path_factory.mktemp("beats") / "image")


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(scope="module")
def verilator() -> Simulator:
    try:
        return find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


def _images(count: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 8, (count, 56))


@pytest.mark.parametrize("signed", [False, True])
def test_packing_orders_pixel_by_pixel(signed: bool) -> None:
    port = Port(2, CodeFormat(4, signed), beats=3)
    # Channel, row, column on the host: the two channels of a pixel are three codes apart.
    codes = np.array([[1, 2, 3, 4, 5, 6], [0, 1, 0, 7, 0, 7]])
    words = pack_codes(codes, port)
    assert payload_ints(words) == [0x41, 0x52, 0x63, 0x70, 0x01, 0x70]
    np.testing.assert_array_equal(unpack_codes(words, port), codes)
    np.testing.assert_array_equal(unpack_codes(words[:5], port), codes[:1])
    with pytest.raises(InputError, match=r"must have shape \[N, 6\], not \(1, 2\)"):
        pack_codes(codes[:1, :2], port)


@pytest.mark.wide
def test_ports_of_images(design: Design, image_design: Design) -> None:
    assert (design.input, design.output.beats) == (Port(1, CODE, 56), 1)
    assert (image_design.input.total, image_design.output) == (56, Port(3, CODE, 16))
    data = json.loads((image_design.path / MANIFEST).read_text())
    assert data["input"] == {"count": 1, "width": 3, "signed": False, "beats": 56}
    assert Port.from_json(data["output"]) == image_design.output
    assert "beats" not in json.loads((design.path / MANIFEST).read_text())["output"]
    assert (design.initiation_interval, image_design.initiation_interval) == (56, 56)


# Either design in either engine is slow; always one in each.
@pytest.mark.parametrize("kind", [pytest.param("design", marks=pytest.mark.slow), "image_design"])
def test_fast(
    kind: str, verilator: Simulator, builds: Path, request: pytest.FixtureRequest
) -> None:
    design: Design = request.getfixturevalue(kind)
    codes, program = _images(200), design.load_program()
    for stalls in (False, True):
        run = run_fast(design.path, codes, stalls=stalls, build_dir=builds, simulator=verilator)
        assert run.violations == ()
        np.testing.assert_array_equal(run.outputs, program(codes))
        assert len(np.unique(run.outputs, axis=0)) > 50
        measured = (run.latency_cycles, run.cycles_per_inference)
        declared = (design.latency_cycles, design.initiation_interval)
        assert measured == ((declared[0], None) if stalls else declared)


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["design", pytest.param("image_design", marks=pytest.mark.slow)])
def test_cocotb(
    kind: str, quickest: Simulator, builds: Path, request: pytest.FixtureRequest
) -> None:
    design: Design = request.getfixturevalue(kind)
    report = check_design(
        design.path, _images(24), simulator=quickest, reset_midstream=True, build_dir=builds
    )
    assert report.problems == () and report.passed
    assert report.latency_cycles == design.latency_cycles
    assert report.cycles_per_inference == design.initiation_interval == 56


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("latency_cycles", 1, "the latency is"),
        ("initiation_interval", 1, "an inference takes 56 cycles, but the manifest says 57"),
        ("initiation_interval", -1, "an inference takes 56 cycles, but the manifest says 55"),
    ],
)
def test_wrong_timing_is_seen(
    field: str, change: int, message: str, design: Design, quickest: Simulator, builds: Path
) -> None:
    path = design.path / MANIFEST
    original = path.read_text()
    try:
        seal_again(design.path, lambda data: data.update({field: data[field] + change}))
        report = check_design(design.path, _images(9), simulator=quickest, build_dir=builds)
    finally:
        path.write_text(original)
    assert any(message in problem for problem in report.problems) and not report.passed


def test_wrong_order_of_pixels_is_seen(
    design: Design, quickest: Simulator, builds: Path
) -> None:
    """The planted fault: pixels column by column."""
    codes = _images(4)
    turned = codes.reshape(-1, 8, 7).swapaxes(1, 2).reshape(-1, 56)
    expected = design.load_program()(codes)
    run = run_cocotb(
        design.path, turned, expected=expected, simulator=quickest, build_dir=builds
    )
    assert not run.passed
    np.testing.assert_array_equal(run.outputs, design.load_program()(turned))


def test_few_images_have_no_steady_state(design: Design, quickest: Simulator, builds: Path) -> None:
    run = run_cocotb(design.path, _images(3), simulator=quickest, build_dir=builds)
    assert run.passed and run.latency_cycles == design.latency_cycles
    assert run.cycles_per_inference is None


def test_port_of_a_program_without_windows() -> None:
    program: Any = SimpleNamespace(
        layers=(SimpleNamespace(),), n_in=3, n_out=2, argmax=False,
        input=SimpleNamespace(format=CODE), output_format=CODE,
    )
    assert (Port.input_of(program), Port.output_of(program)) == (Port(3, CODE), Port(2, CODE))
