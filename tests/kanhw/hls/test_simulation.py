"""C++ under a plain compiler: equal to the Program to the bit, and faults are found."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hls_programs import FOLDED, NAMES, ONE_BY_ONE, edge_program, needs_headers, programs, stimulus
from sealed import seal_again

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError, ToolNotFound
from kanhw.hls.simulation.check import check_cpp
from kanhw.hls.simulation.compiler import find_headers
from kanhw.hls.simulation.run import run_cpp
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule


def test_the_command_simulates_c(tmp_path, capsys, monkeypatch):
    needs_headers()
    monkeypatch.chdir(tmp_path)
    program = edge_program()
    save_program(program, "kan.safetensors")
    assert main(["generate", "kan.safetensors", "--backend", "hls", "--out", "d"]) == 0
    codes, _, outputs = stimulus(program, 100)
    np.savez("v.npz", x=codes, y=outputs)
    capsys.readouterr()
    assert main(["simulate", "d", "--vectors", "v.npz", "--outputs", "y.npz", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] and told["vectors"] == 100 and told["engine"] == "exact"
    assert told["cycles"] is None and told["declared_latency"] is None
    np.testing.assert_array_equal(np.load("y.npz")["y"], outputs)
    # What belongs to Verilog is refused, and a y that the Program does not give is found.
    assert main(["simulate", "d", "--vectors", "v.npz", "--netlist", "xcup"]) == 2
    assert "C++ for HLS has no netlist" in capsys.readouterr().err
    np.savez("v.npz", x=codes, y=outputs + (np.arange(100) == 7)[:, None])
    assert main(["simulate", "d", "--vectors", "v.npz"]) == 1


def test_headers_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KANHW_HLS_INCLUDE", str(tmp_path))
    with pytest.raises(ToolNotFound, match=r"has no ap_int.h and hls_stream.h: set it to the"):
        find_headers()


def test_engines_of_one_are_not_those_of_the_other(tmp_path):
    design = kanhw.generate(edge_program(), tmp_path / "d", backend="hls")
    codes = stimulus(edge_program(), 2)[0]
    with pytest.raises(InputError, match=r"^Unknown engine 'cocotb': C\+\+ for HLS runs with"):
        kanhw.simulate(design, codes, engine="cocotb")
    nothing = check_cpp(design.path, np.empty((0, 3), np.int64))
    assert not nothing.passed and "no input vectors" in nothing.problems[0]


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("input", {"count": 3, "width": 9, "signed": True}),
        ("output", {"count": 10**30, "width": 4, "signed": False}),
        ("operations", 0),
        ("interval", "1"),
        ("top", "other"),
    ],
)
def test_facts_that_the_program_does_not_make(fact, value, tmp_path):
    """A manifest that was altered and sealed again, as anybody could."""
    design = kanhw.generate(edge_program(), tmp_path / "d", backend="hls")
    seal_again(design.path, lambda data: data["facts"].update({fact: value}))
    with pytest.raises(InputError, match=rf"manifest\.json says facts\.{fact} "):
        check_cpp(design.path, stimulus(edge_program(), 2)[0])
    seal_again(design.path, lambda data: data.update({"facts": 63}))
    with pytest.raises(InputError, match=r"facts must be a JSON object, not 63"):
        check_cpp(design.path, stimulus(edge_program(), 2)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule", [Schedule(), FOLDED, ONE_BY_ONE], ids=["unrolled", "folded", "one_by_one"]
)
@pytest.mark.parametrize("name", NAMES)
def test_c_is_the_program_to_the_bit(name, schedule, tmp_path):
    needs_headers()
    program = programs()[name]
    if program.heads > 1 and not schedule.folded:
        pytest.skip("heads take turns always")
    design = kanhw.generate(program, tmp_path / "d", schedule=schedule, backend="hls")
    codes, heads, outputs = stimulus(program, 300)
    run = run_cpp(design, codes, outputs, heads)
    np.testing.assert_array_equal(run.outputs, outputs)
    assert run.problems == () and len(np.unique(outputs)) > 1
    native = run_cpp(design, codes, outputs, heads, integers="native")
    np.testing.assert_array_equal(native.outputs, outputs)


# What is changed in the files of a program under a schedule; each must be found.
FAULTS = [
    ("edge_table", Schedule(), "_types.h", r"ap_int<\d\d> (s\d\d_t)", r"ap_int<4> \1"),
    ("edge_table", Schedule(), "_layers.h", r"a0\[i\] = x.s0\[i\] \+ 4", "a0[i] = x.s0[i] + 3"),
    ("edge_table", FOLDED, "_layers.h", r"beat == 0 \? own", "beat == 9 ? own"),
    ("edge_table", FOLDED, "_layers.h", r"group == 0\)", "group != 9)"),
    ("edge_table", FOLDED, "_layers.h", r"(q0 = \(q0 \+ \(s\d+_t\))8", r"\g<1>7"),
    ("edge_table", FOLDED, "_layers.h", r"kept\[beat\] = x", "kept[0] = x"),
    ("edge_table", FOLDED, "_layers.h", r"const int row = beat", "const int row = 0"),
    ("argmax", Schedule(), "_layers.h", r"x.s0\[j\] > best", "x.s0[j] >= best"),
    ("codebook", FOLDED, "_layers.h", r"LAYER0_INDEX\[j\]\[i\]\[row\]", "LAYER0_INDEX[j][i][0]"),
    ("codebook", Schedule(), "_layers.h", r"(BIASES\[j\]\[i\])", r"BIASES[j][0]"),
    ("heads", FOLDED, "_layers.h", r"\(int\)x.head \*", "0 *"),
    ("input_ranges", Schedule(), "_layers.h", r"clamped<s3_t>\(x.s0\[i\]", "(x.s0[i]"),
    ("fast_kan", FOLDED, "_layers.h", r"bit >= 0; bit--", "bit > 0; bit--"),
    ("fast_kan", Schedule(), "_layers.h", r"spread -= total", "spread += total"),
    ("py_kan", Schedule(), "_layers.h", r"= code\[(\d)\] \* code\[\d\];", r"= code[\1];"),
    ("images", FOLDED, "_layers.h", r"have & (\d+)\] = x", r"(have + 1) & \1] = x"),
    ("images", FOLDED, "_layers.h", r"if \(!x.pad\[i\]\)", "if (true)"),
    ("images", Schedule(), "_layers.h", r"if \(!x.pad\[i\]\)", "if (true)"),
    ("images", Schedule(), "_layers.h", r"pixels\[k\] = pixels\[k - 1\]", "pixels[k] = pixels[0]"),
    ("images", Schedule(), "_layers.h", r"sums.pool\[c\] \+= ", "sums.pool[c] = "),
    ("images", Schedule(), "_layers.h", r"if \(slot >= \d+ && ", "if ("),
    ("evaluated", FOLDED, "_layers.h", r"b < first_bank\[i\] \? 1", "b < first_bank[i] ? 0"),
    ("evaluated", Schedule(), "_layers.h", r"live\[r < 0 \? r \+ \d", "live[r < 0 ? 0"),
    ("conversion", Schedule(), "_layers.h", r"t >> \d+", "t >> 1"),
    ("edge_table", FOLDED, ".cpp", r"    layer0_codes\(", "    // ("),
    ("edge_table", FOLDED, ".cpp", (r"beat < 2; beat\+\+\) \{(?=\s+#pragma HLS PIPELINE II=1\s+"
     r"input_t)"), "beat < 1; beat++) {"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "schedule", "file", "pattern", "instead"), FAULTS)
def test_a_fault_in_a_template_is_found(name, schedule, file, pattern, instead, tmp_path):
    needs_headers()
    program = programs()[name]
    design = kanhw.generate(program, tmp_path / "d", schedule=schedule, backend="hls")
    path = design.path / f"kan{file}"
    text, count = re.subn(pattern, instead, path.read_text(), count=1)
    assert count == 1, "the fault has no place any more"
    path.write_text(text)
    codes, heads, outputs = stimulus(program, 300)
    # Only exact widths show a type that is too narrow; elsewhere native ones compile faster.
    integers = "exact" if file == "_types.h" else "native"
    try:
        run = run_cpp(design, codes, outputs, heads, integers=integers)
    except kanhw.ToolFailed:
        return
    wrong = len(run.outputs) != len(outputs) or (run.outputs != outputs).any()
    assert wrong or run.problems, replace(run, outputs=np.empty(0))
