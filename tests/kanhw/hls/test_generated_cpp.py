"""The C++ that is written: its tables, pragmas and files, and what is refused."""

import re

import numpy as np
import pytest
from hls_programs import FOLDED, codebook_program, edge_program

import kanhw
from kanhw.errors import InputError
from kanhw.gateware.top.chain import STAGES
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import write_cpp
from kanhw.hls.kinds.table import LAYER_SUMS
from kanhw.hls.stages.folded_windows import clocks_of_windows
from kanhw.hls.stages.table import STAGE_WRITERS
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, ResidentLayer
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.program.kinds.resident import HeadFormats
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.window_fold import window_fold
from kanhw.windows import Window

FILES = {
    *("kan.cpp", "kan.h", "kan_types.h", "kan_tables.h", "kan_layers.h", "kan_tb.cpp"),
    *("kan_vectors.txt", "kan_vivado_hls.tcl", "kan_vitis_hls.tcl", "kan_vivado.tcl", "Makefile"),
}


def files_of(program, schedule):
    codes = np.zeros((2, program.n_in), np.int64)
    design = write_cpp(program, schedule, "kan", Target())
    return design.files(codes, program(codes))


def test_every_kind_of_layer_and_stage_has_its_writer():
    assert set(STAGE_WRITERS) == set(STAGES)
    # These are stages of their own, whose sums are none of edges.
    assert set(LAYER_KINDS) - set(LAYER_SUMS) == {"layer_norm", "pooling"}


def test_an_unrolled_network_is_one_pipeline_of_a_table_an_edge():
    files = files_of(edge_program(), Schedule())
    assert files.keys() == FILES
    assert "static const int8_t LAYER0_TABLES[4][3][8] = {" in files["kan_tables.h"]
    top = files["kan.cpp"]
    assert "#pragma HLS PIPELINE II=1" in top and "DATAFLOW" not in top
    layers = files["kan_layers.h"]
    assert "KAN_PARTITION(LAYER0_TABLES, 1)\n    KAN_PARTITION(LAYER0_TABLES, 2)" in layers
    # A statement a term, and no array of ap_int is initialised.
    assert re.search(r"sums\.edge\[j\] \+= \(s5_t\)LAYER0_TABLES\[j\]\[i\]\[a0\[i\]\];", layers)
    assert not re.search(r"ap_u?int<\d+> \w+\[.*\] = \{", "".join(files.values()))
    assert "%" not in re.sub(r"//.*", "", layers) and " / " not in re.sub(r"//.*", "", layers)


def test_absent_edges_have_no_table_of_their_own():
    program = edge_program()
    tables = program.layers[0].tables.copy()
    tables[1, 2] = 0
    pruned = EdgeTableLayer(tables, program.layers[0].requantizers, "layers.0")
    program = Program((pruned, program.layers[1]), program.input)
    files = files_of(program, Schedule())
    assert "{1, 1, 0}" in files["kan_tables.h"]
    assert "if (LAYER0_EDGES[j][i]) sums.edge[j] +=" in files["kan_layers.h"]
    assert "EDGES" not in files_of(program, FOLDED)["kan_layers.h"]


def test_a_folded_network_is_a_chain_of_processes_of_a_step_a_clock():
    design = write_cpp(edge_program(), FOLDED, "kan", Target())
    assert [(process.name, process.clocks) for process in design.chain.processes] == [
        ("layer0_add", 4), ("layer0_codes", 4), ("stage1", 4), ("layer1_add", 2),
        ("layer1_codes", 2),
    ][: len(design.chain.processes)]  # fmt: skip
    assert design.interval == 4
    files = files_of(edge_program(), FOLDED)
    assert files["kan.cpp"].count("(stream") >= 10 and "#pragma HLS DATAFLOW" in files["kan.cpp"]
    # [lanes of outputs][lanes of inputs][steps][codes]
    assert "LAYER0_TABLES[2][2][4][8] = {" in files["kan_tables.h"]
    # Both tools are told the same in their own words.
    for text in ("PIPELINE II=1 rewind)", "pipeline II=1 rewind style=flp)"):
        assert f"#define KAN_PIPELINE_REWIND KAN_PRAGMA({text}" in files["kan_types.h"]


def test_the_manifest_says_what_a_user_must_know(tmp_path):
    facts = kanhw.generate(edge_program(), tmp_path / "d", schedule=FOLDED, backend="hls").facts
    assert facts["top"] == "kan" and facts["interval"] == 4 and facts["notes"] == []
    assert facts["input"] == {"beats": 2, "count": 2, "lane": 8, "length": 3, "signed": True,
                              "width": 3}  # fmt: skip
    # What is not modelled is absent.
    assert facts["model"]["lut"] > 0 and "uram" not in facts["model"]
    assert facts["quantities"]["inputs"]


def test_the_same_program_gives_the_same_bytes():
    assert files_of(codebook_program(), FOLDED) == files_of(codebook_program(), FOLDED)


def test_where_a_network_came_from_cannot_leave_its_comment():
    program = edge_program(source="from a\u2028b \\")
    for name, text in files_of(program, Schedule()).items():
        if name.endswith((".h", ".cpp")):
            assert text.splitlines()[0] == "// from a", name


def test_the_scripts_set_what_tools_differ_in():
    files = files_of(edge_program(), Schedule())
    for name in ("kan_vivado_hls.tcl", "kan_vitis_hls.tcl"):
        for line in (
            *("set_clock_uncertainty 12.5%", "config_compile -pipeline_loops 0"),
            *("config_schedule -enable_dsp_full_reg=0", "csynth_design", "cosim_design"),
        ):
            assert line in files[name], name
    assert "report_power" in files["kan_vivado.tcl"]


@pytest.mark.parametrize(
    "fields",
    [{"adder_levels": 2}, {"fabric": "ultrascale+"}, {"table_registers": False},
     {"handshake": False}],
)  # fmt: skip
def test_what_means_nothing_to_hls_is_refused(fields):
    (name,) = fields
    with pytest.raises(InputError, match=rf"^{name}=.*says nothing to an HLS tool"):
        files_of(edge_program(), Schedule(**fields))


def test_a_kind_without_c_is_named(monkeypatch):
    monkeypatch.delitem(LAYER_SUMS, "edge_table")
    with pytest.raises(InputError, match=r"There is no C\+\+ of sums of kind 'edge_table'"):
        files_of(edge_program(), Schedule())


def test_what_cannot_be_written_is_refused(tmp_path):
    program = edge_program()
    wide = EdgeTableLayer(np.ones((1, 600, 8), np.int64), (Requantizer([[1]], [0]),), "wide")
    with pytest.raises(InputError, match="needs 4800 bits, but an AXI4-Stream of HLS has at most"):
        files_of(Program((wide,), InputEncoder(program.input.format, 600)), Schedule())
    for name in ("template", "layer0_add", "input_t"):
        with pytest.raises(InputError, match=r"which C\+\+ has taken"):
            kanhw.generate(program, tmp_path / "d", backend="hls", name=name)
    with pytest.raises(InputError, match=r"^clock_ns must be a period"):
        kanhw.generate(program, tmp_path / "d", backend="hls", clock_ns="fast")
    assert not (tmp_path / "d").exists()


def test_heads_that_can_be_written_are_refused():
    heads = (codebook_program(1), codebook_program(11))
    layers = tuple(
        ResidentLayer(own, HeadFormats.covering(own))
        for own in zip(*(head.layers for head in heads), strict=True)
    )
    program = Program(layers, heads[0].input, encoders=tuple(head.input for head in heads))
    with pytest.raises(InputError, match="cannot be written at run time"):
        write_cpp(program, FOLDED, "kan", Target())


@pytest.mark.parametrize("inputs", [1, 3, 7])
def test_turns_of_a_loop_over_windows_are_counted(inputs):
    reads = window_fold(Window((3, 6, 5), (3, 2), (2, 1), (1, 0), (1, 2)), inputs)
    rows, columns = reads.needs
    for groups in (1, 2):
        turns, have, place, step = 0, 0, 0, 0
        while place < reads.window.positions or have < reads.words:
            done = place == reads.window.positions
            y, x = divmod(place, len(columns))
            out = not done and have >= rows[y] + columns[x]
            if have < reads.words and (done or have < reads.released[y] + reads.depth):
                have += 1
            if out:
                step += 1
                if step == reads.beats * groups:
                    step, place = 0, place + 1
            turns += 1
        assert clocks_of_windows(reads, groups) == turns
