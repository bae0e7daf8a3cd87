"""The levels of proof (docs/verification.md), end to end through the public verbs.

0: ``kanhw.load`` equals the library that trained the network. 1: the quantized model equals its
Program. 3: the Verilog equals the Program, under cocotb with random stalls and on the fast path.
Level 2, component by component, is in ``tests/gateware``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import kanhw
from kanhw import InputError, KanModel, Program, QuantConfig, Verification
from kanhw.design.design import Design
from kanhw.errors import ToolNotFound
from kanhw.formats import FloatArray
from kanhw.quant import lower, quantize_model
from kanhw.sim import find_simulator

EDGE_W4A6: dict[str, Any] = {
    "base_bits": 4,
    "spline_bits": 4,
    "activation_bits": 6,
    "realisation": "edge_table",
}
# Quicker to simulate: what is proven is the equality, and accuracy is tested elsewhere.
EDGE_SMALL = {**EDGE_W4A6, "base_bits": 3, "spline_bits": 3, "activation_bits": 2, "table_bits": 3}
BASIS_SMALL: dict[str, Any] = {
    "base_bits": 4,
    "spline_bits": 4,
    "activation_bits": 4,
    "basis_bits": 4,
    "base_table_bits": 4,
    "multiplier_bits": 8,
    "realisation": "basis_table",
}
# Edge tables behind basis tables: one compilation proves both.
BOTH_SMALL = {**BASIS_SMALL, "layers": {"layers.1": {"realisation": "edge_table"}}}


@pytest.fixture(scope="session", autouse=True)
def _simulators() -> None:
    """Skip everything where the Verilog cannot be simulated at all."""
    try:
        find_simulator()
        find_simulator("verilator")
    except ToolNotFound as error:
        pytest.skip(str(error))


@dataclass(frozen=True)
class Case:
    """A float network, what its own library made of ``x``, and data to calibrate with."""

    model: KanModel
    calibration: FloatArray
    x: FloatArray
    library_outputs: npt.NDArray[np.floating[Any]]


def check_level_0(case: Case) -> None:
    """The float record equals the library's outputs, 1e-5 of their range."""
    difference = np.abs(case.model(case.x) - case.library_outputs)
    assert difference.size > 0
    assert difference.max() <= 1e-5 * np.ptp(case.library_outputs)


def check_level_1(case: Case, options: dict[str, Any]) -> Program:
    """Every code of every activation of the quantized model equals the Program's."""
    config = QuantConfig(**options)
    quantized = quantize_model(case.model, case.calibration, config)
    program = kanhw.quantize(case.model, case.calibration, config)
    codes = program.input.encode(case.x)
    history = quantized.activations(case.x)
    np.testing.assert_array_equal(history[0][0], codes)
    for mine, theirs in zip(history[1:], program.activations(codes), strict=True):
        for values, integers in zip(mine, theirs, strict=True):
            assert integers.size > 0
            np.testing.assert_array_equal(values, integers)
    np.testing.assert_array_equal(lower(quantized)(codes), program(codes))
    return program


def with_random_codes(program: Program, x: FloatArray, count: int) -> FloatArray:
    """Features, and behind them those of random codes until there are ``count``."""
    format, more = program.input.format, max(count - len(x), 0)
    random = np.random.default_rng(0).integers(format.lo, format.hi + 1, (more, program.n_in))
    np.testing.assert_array_equal(program.input.encode(program.input.decode(random)), random)
    return np.concatenate([x, program.input.decode(random)])


def check_level_3(design: Design, vectors: Any, count: int, *, engine: Any) -> Verification:
    """The simulated Verilog equals the Program on at least ``count`` vectors, with stalls."""
    result = kanhw.simulate(design, vectors, engine=engine, stalls=True)
    equivalence = result.equivalence
    assert result.passed, equivalence.problems
    assert equivalence.vectors == len(result.outputs) >= count
    assert equivalence.mismatches == 0
    assert equivalence.stalls
    assert equivalence.latency_cycles in (design.latency_cycles, None)
    return result


# --- a small network, trained here -----------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A 3-3-2 KAN after a few steps of training, saved and loaded as a user would."""
    torch = pytest.importorskip("torch")
    from kanhw.layers import KAN

    torch.manual_seed(0)
    network = KAN([3, 3, 2], grid_size=4)
    x = 2 * torch.rand(256, 3) - 1
    wanted = torch.stack([torch.sin(3 * x[:, 0]) * x[:, 1], x[:, 2] ** 2 - x[:, 0]], dim=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(x), wanted)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    path = tmp_path_factory.mktemp("small") / "model.pt"
    torch.save(network.state_dict(), path)
    model = kanhw.load(path)
    with torch.no_grad():
        outputs = network(x).numpy()
    features = x.double().numpy()
    return Case(model, features, features, outputs)


@pytest.mark.parametrize("options", [EDGE_W4A6, BASIS_SMALL], ids=["edge_table", "basis_table"])
def test_small_network_of_one_kind(small: Case, options: dict[str, Any]) -> None:
    check_level_0(small)
    program = check_level_1(small, {**options, "branch_inputs": "separate"})
    assert {layer.kind for layer in program.layers} == {options["realisation"]}


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (BOTH_SMALL, ["basis_table", "edge_table"]),
        # Two more compilations each; both kinds are proven above.
        pytest.param(EDGE_W4A6, ["edge_table"] * 2, marks=pytest.mark.slow),
        pytest.param(BASIS_SMALL, ["basis_table"] * 2, marks=pytest.mark.slow),
    ],
    ids=["both", "edge_table", "basis_table"],
)
def test_small_network(
    small: Case, options: dict[str, Any], kinds: list[str], tmp_path: Path
) -> None:
    program = check_level_1(small, {**options, "branch_inputs": "separate"})
    assert [layer.kind for layer in program.layers] == kinds
    design = kanhw.generate(program, tmp_path / "design")
    x = with_random_codes(program, small.x, 1000)
    check_level_3(design, x, 1000, engine="cocotb")
    check_level_3(design, x, 1000, engine="fast")


@pytest.mark.wide
def test_a_wrong_table_bit_is_seen_in_the_verilog(small: Case, tmp_path: Path) -> None:
    options: dict[str, Any] = {"activation_bits": 4, "realisation": "edge_table"}
    program = check_level_1(small, options)
    last = program.layers[-1]
    requantizers = tuple(replace(r, sum_format=None) for r in last.requantizers)
    tables = last.tensors()["tables"].copy()
    tables[0, 0, :] ^= 1
    changes: dict[str, Any] = {"tables": tables, "requantizers": requantizers}
    faulty = replace(last, **changes, accumulator_formats=None)
    broken = replace(program, layers=(*program.layers[:-1], faulty))
    design = kanhw.generate(broken, tmp_path / "design")
    expected = program(program.input.encode(small.x))
    np.savez(tmp_path / "vectors.npz", x=small.x, y=expected)
    result = kanhw.simulate(design, tmp_path / "vectors.npz", integers="codes")
    assert not result.passed
    assert result.equivalence.mismatches == 0
    assert result.equivalence.expected_mismatches == len(small.x)


def test_float_models_and_programs_are_not_confused(small: Case, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="quantize this float model first"):
        kanhw.generate(small.model, tmp_path / "design")  # type: ignore[arg-type]
    program = kanhw.quantize(small.model, small.calibration)
    with pytest.raises(TypeError, match="quantized already"):
        kanhw.quantize(program, small.calibration)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="spline_bits must be 1 to 12, not 13"):
        kanhw.quantize(small.model, small.calibration, spline_bits=13)
    assert not (tmp_path / "design").exists()


# --- digits, trained with EfficientKAN -------------------------------------------------------


@pytest.fixture(scope="module")
def digits(shared_folder: Path) -> Case:
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import train_test_split

    x, y = datasets.load_digits(return_X_y=True)
    train, _ = train_test_split(x / 16, test_size=0.25, random_state=0, stratify=y)
    folder = shared_folder / "fixtures" / "kan_libraries" / "efficient_kan_digits"
    with np.load(folder / "vectors.npz") as vectors:
        test, outputs = vectors["x"].astype(np.float64), vectors["y"]
    return Case(kanhw.load(folder), train, test, outputs)


@pytest.mark.slow  # a fifth of a minute of compiling; small networks go the same way
def test_digits(digits: Case, tmp_path: Path) -> None:
    check_level_0(digits)
    program = check_level_1(digits, EDGE_SMALL)
    design = kanhw.generate(program, tmp_path / "design")
    check_level_3(design, with_random_codes(program, digits.x, 1000), 1000, engine="fast")


@pytest.mark.slow
@pytest.mark.parametrize("options", [EDGE_W4A6, BASIS_SMALL], ids=["edge_table", "basis_table"])
def test_digits_a_thousand_vectors(digits: Case, options: dict[str, Any], tmp_path: Path) -> None:
    program = check_level_1(digits, options)
    assert {layer.kind for layer in program.layers} == {options["realisation"]}
    design = kanhw.generate(program, tmp_path / "design")
    x = with_random_codes(program, digits.x, 1000)
    check_level_3(design, x, 1000, engine="cocotb")
    check_level_3(design, x, 1000, engine="fast")


# --- the networks that KANELE's authors published --------------------------------------------


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("moons", "fast"),
        *(
            pytest.param(name, engine, marks=pytest.mark.slow)
            for name in ("moons", "wine", "dry_bean", "jsc_openml")
            for engine in ("cocotb", "fast")
            if (name, engine) != ("moons", "fast")
        ),
    ],
)
def test_kanele(shared_folder: Path, name: str, engine: str, tmp_path: Path) -> None:
    folder = shared_folder / "peers" / "kanele" / name
    program = kanhw.load(folder)
    with np.load(folder / "vectors.npz") as arrays:
        x = np.concatenate([arrays["x"], arrays["x_published"]])
        y = np.concatenate([arrays["y"], arrays["y_published"]])
    np.testing.assert_array_equal(program(x), y)
    vectors = tmp_path / "vectors.npz"
    np.savez(vectors, x=x, y=y)
    design = kanhw.generate(program, tmp_path / "design")
    result = check_level_3(design, vectors, len(y), engine=engine)
    assert result.equivalence.expected_mismatches == 0
    np.testing.assert_array_equal(result.outputs, y)
