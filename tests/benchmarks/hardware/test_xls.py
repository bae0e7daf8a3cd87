"""XLS beside our cores: skipped where it is absent; what it makes is proven, faults are refused."""

from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import hls_programs
import numpy as np
import pytest

from benchmarks.hardware import xls as benchmark
from benchmarks.hardware.xls import NotExactError, Scheduling, design_of, optimised, pipelined
from kanhw.program import EdgeTableLayer, Requantizer
from kanhw.sim import check_design


def test_without_the_package_it_is_skipped(monkeypatch, capsys):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(benchmark, "version", absent)
    monkeypatch.setattr("sys.argv", ["xls"])
    assert benchmark.main() == 0
    assert capsys.readouterr().out == ("skipped: XLS is not installed (pip install xls-python)\n")


def test_too_few_stages_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "version", lambda name: "1.0")
    monkeypatch.setattr("sys.argv", ["xls", "--registered-inputs", "--stages", "3", "1"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "--stages must be at least 2, not 1" in capsys.readouterr().err


def two_streams():
    """The second layer reads the second of two streams."""
    program = hls_programs.edge_program(seed=4)
    first, second = program.layers
    other = Requantizer(
        first.requantizers[0].multipliers + 1, np.arange(4), 5, hls_programs.CODE, hi=2
    )
    first = EdgeTableLayer(first.tables, (first.requantizers[0], other), first.name)
    second = EdgeTableLayer(second.tables, second.requantizers, second.name, stream=1)
    return replace(program, layers=(first, second))


def vectors(program, count=200):
    x, _, y = hls_programs.stimulus(program, count)
    return x, y


@pytest.mark.wide
def test_what_xls_makes_gives_what_the_program_gives(tmp_path):
    pytest.importorskip("xls")
    for program in (hls_programs.edge_program(), two_streams()):
        ir = optimised(program)
        for stages, scheduling in (
            (1, Scheduling()),
            (3, Scheduling("unit")),
            (3, Scheduling(registered_inputs=True)),
        ):
            out = tmp_path / f"{program.layers[1].stream}-{stages}-{scheduling.delay_model}"
            design = design_of(program, pipelined(ir, stages, scheduling), stages, out)
            report = check_design(design.path, *vectors(program), engine="fast", stalls=False)
            assert report.passed, report.problems
            assert report.vectors == 200
            # The same Verilog is not exact a clock earlier.
            late = design_of(program, design.verilog_path.read_text(), stages + 1, out / "late")
            assert not check_design(late.path, *vectors(program), engine="fast").passed


@pytest.mark.wide
def test_a_netlist_is_counted_if_it_is_exact(tmp_path):
    pytest.importorskip("xls")
    program = hls_programs.edge_program()
    x, y = vectors(program)
    verilog = pipelined(optimised(program), 2, Scheduling())
    found = benchmark.measure(design_of(program, verilog, 2, tmp_path / "sound"), (x, y), 0)
    assert (found.stages, found.vectors, found.mhz) == (2, 200, None)
    assert found.resources.lut > 0
    tables = program.layers[1].tables.copy()
    tables[0, 0, 3] += 1
    altered = replace(program.layers[1], tables=tables)
    faulty = replace(program, layers=(program.layers[0], altered))
    wrong = design_of(faulty, verilog, 2, tmp_path / "faulty")
    with pytest.raises(NotExactError, match="differ from the Program"):
        benchmark.measure(wrong, (x, faulty(x)), 0)
    with pytest.raises(NotExactError, match="outputs of the netlist"):
        benchmark.synthesised(wrong, x)
