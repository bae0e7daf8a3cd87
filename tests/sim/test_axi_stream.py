"""Both engines drive AXI4-Stream designs with heads, and see what is wrong with them."""

import re

import numpy as np
import pytest
from sealed import seal_again

import kanhw
from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.program import CodebookLayer, InputEncoder, Program, Requantizer, join_heads
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator
from kanhw.tools.simulators import find_verilator

CODE = CodeFormat(4, True)
SCHEDULE = Schedule(kind="folded", parallel_inputs=2)


def network(rng, shapes):
    layer = CodebookLayer(
        shapes=shapes,
        index=rng.integers(0, 3, (3, 3)),
        gains=rng.integers(-4, 5, (3, 3)),
        base=rng.integers(-8, 8, (1, 16, 1)),
        base_index=np.zeros(3, int),
        base_weights=rng.integers(-4, 5, (3, 3, 1)),
        requantizers=(Requantizer(rng.integers(1, 9, (2, 3)), rng.integers(-9, 9, 3), 2, CODE),),
    )
    return Program((layer,), InputEncoder(CODE, 3, scale=rng.random(3) + 0.1))


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    rng = np.random.default_rng(0)
    shapes = rng.integers(-8, 8, (3, 16))
    program = join_heads([network(rng, shapes) for _ in range(3)], writable=True)
    folder = tmp_path_factory.mktemp("axi") / "design"
    return kanhw.generate(program, folder, schedule=SCHEDULE, interface="axi4-stream")


def _skip_without(engine):
    try:
        find_simulator() if engine == "cocotb" else find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def stimulus():
    rng = np.random.default_rng(1)
    return rng.integers(CODE.lo, CODE.hi + 1, (40, 3)), rng.integers(0, 3, 40)


@pytest.mark.parametrize("engine", ["cocotb", pytest.param("fast", marks=pytest.mark.slow)])
def test_every_vector_has_its_head(design, engine, stimulus, tmp_path):
    _skip_without(engine)
    codes, heads = stimulus
    report = check_design(
        design.path, codes, heads=heads, engine=engine, reset_midstream=engine == "cocotb"
    )
    assert report.passed, report.problems
    np.testing.assert_array_equal(report.outputs, design.load_program()(codes, head=heads))
    if engine == "cocotb":
        assert report.latency_cycles == design.latency_cycles
        assert report.cycles_per_inference == design.initiation_interval


@pytest.mark.wide
@pytest.mark.parametrize("engine", ["cocotb", pytest.param("fast", marks=pytest.mark.slow)])
def test_wrong_last_beats_and_heads_are_seen(design, engine, stimulus, tmp_path):
    _skip_without(engine)
    wrong = _changed(design, tmp_path / "wrong", _twist)
    codes, heads = stimulus
    report = check_design(wrong, codes, heads=heads, engine=engine)
    words = " ".join(report.problems)
    assert not report.passed
    assert ("m_axis_tlast is" if engine == "cocotb" else "was marked wrongly") in words
    assert "output codes differ from the Program" in words


def _twist(text):
    """tlast upside down, and heads 0 and 1 exchanged."""
    start = text.index("module kan(")
    end = text.index("endmodule", start)
    top = text[start:end]
    top = re.sub(r"\.m_axis_tlast\((\w+)\)", r".m_axis_tlast(right_last)", top)
    top = re.sub(r"\.s_axis_tuser\((\w+)\)", r".s_axis_tuser({\1[1], ~\1[0] & ~\1[1]})", top)
    top += "  wire right_last;\n  assign m_axis_tlast = ~right_last;\n"
    assert top.count("right_last") == 3 and "~s_axis_tuser" in top
    return text[:start] + top + text[end:]


def _changed(design, folder, change):
    folder.mkdir()
    for path in design.path.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = change((folder / "kan.v").read_text()).encode()
    (folder / "kan.v").write_bytes(content)
    seal_again(folder)
    return folder


def test_simulate_takes_heads_from_the_file(design, tmp_path):
    _skip_without("cocotb")
    rng = np.random.default_rng(2)
    program = design.load_program()
    x, head = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    singles = [program.head(h) for h in range(3)]
    y = np.stack([singles[h](singles[h].input.encode(x[k : k + 1]))[0] for k, h in enumerate(head)])
    np.savez(tmp_path / "v.npz", x=x, y=y, head=head)
    result = kanhw.simulate(design, tmp_path / "v.npz", engine="cocotb")
    assert result.passed and result.equivalence.expected_mismatches == 0


def test_heads_that_are_not_there(design):
    codes = np.zeros((2, 3), int)
    for heads, message in (
        ([0, 3], r"\AHeads must be 0 to 2, not 0 to 3\Z"),
        ([0], r"\AHeads must be integers \[2\], one a vector"),
        ([0.0, 1.0], r"\AHeads must be integers \[2\], one a vector"),
    ):
        with pytest.raises(InputError, match=message):
            check_design(design.path, codes, heads=heads)
