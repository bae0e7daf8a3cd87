"""The FuseSoC core and the Vivado script name what is there, and nothing else."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import yaml

import kanhw
from kanhw.design.packaging import TCL_FILE
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.schedule.schedule import Schedule

# Writes down every command that Tcl itself does not know, and answers with nothing.
RECORDER = """
proc unknown {name args} { puts [list $name {*}$args]; return {} }
set argv {out part}
set argc 2
source [lindex $argv0 0]
"""


@pytest.fixture(scope="module")
def program():
    tables = np.random.default_rng(0).integers(-5, 6, (3, 2, 4))
    requantizer = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 1, CodeFormat(3, True))
    return Program((EdgeTableLayer(tables, (requantizer,)),), InputEncoder(CodeFormat(2, False), 2))


@pytest.fixture(scope="module")
def with_heads():
    """A network whose heads can be written, so that there is an AXI4-Lite slave too."""
    rng = np.random.default_rng(0)
    own = CodebookLayer(
        shapes=rng.integers(-4, 5, (2, 4)),
        index=rng.integers(0, 2, (2, 2)),
        gains=rng.integers(-3, 4, (2, 2)),
        base=rng.integers(-3, 4, (1, 4, 1)),
        base_index=np.zeros(2, int),
        base_weights=rng.integers(-3, 4, (2, 2, 1)),
        requantizers=(Requantizer(np.ones((2, 2), int), np.zeros(2, int)),),
    )
    single = Program((own,), InputEncoder(CodeFormat(2, False), 2))
    return join_heads([single] * 3, writable=True)


@pytest.fixture(scope="module", params=["plain", "heads"])
def design(request, program, with_heads, tmp_path_factory):
    folder = tmp_path_factory.mktemp("axi") / "design"
    network, schedule = program, Schedule()
    if request.param == "heads":
        network, schedule = with_heads, Schedule(kind="folded")
    return kanhw.generate(network, folder, schedule=schedule, interface="axi4-stream")


def verilog_ports(design):
    """The ports of the top module by name: their direction."""
    text = design.verilog_path.read_text()
    start = text.index(f"module {design.top}(")
    module = text[start : text.index("endmodule", start)]
    return dict(
        reversed(pair)
        for pair in re.findall(r"^  (input|output) (?:\[\d+:0\] )?(\w+);", module, re.M)
    )


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(handshake=False)])
def test_core_of_a_plain_design(program, schedule, tmp_path):
    design = kanhw.generate(program, tmp_path / "design", schedule=schedule)
    assert {path.name for path in design.path.iterdir()} == {
        *("kan.core", "kan.v", "manifest.json", "program.safetensors"),
    }
    check_core(design)


@pytest.mark.parametrize("interface", ["stream", "axi4-stream"])
def test_a_name_is_that_of_all_that_is_made(program, interface, tmp_path):
    design = kanhw.generate(program, tmp_path / "design", name="dew_point", interface=interface)
    assert (design.top, design.verilog) == ("dew_point", "dew_point.v")
    files = {path.name: path for path in design.path.iterdir()}
    assert not [name for name in files if name.startswith("kan")]
    modules = re.findall(r"^module \\?([\w.$]+)", files["dew_point.v"].read_text(), re.M)
    assert len(modules) > 3
    assert all(name.split(".")[0] == "dew_point" for name in modules)
    core = yaml.safe_load(files["dew_point.core"].read_text())
    assert core["name"].split(":")[2] == "dew_point"
    assert core["targets"]["default"]["toplevel"] == "dew_point"
    if interface == "axi4-stream":
        script = files[TCL_FILE].read_text()
        assert "set_property name dew_point $core" in script
        assert "dew_point.v]" in script
        assert not re.search(r"\bkan\b", script)
    # A name changes nothing but names.
    plain = kanhw.generate(program, tmp_path / "plain", interface=interface)
    text = files["dew_point.v"].read_text()
    assert re.sub(r"\bdew_point\b", "kan", text) == plain.verilog_path.read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "must be a letter and then letters"),
        ("2nd", "not '2nd'"),
        ("_net", "not '_net'"),
        ("my net", "not 'my net'"),
        ("a;rm", "not 'a;rm'"),
        ("a" * 65, "at most 64"),
        ("module", "cannot be 'module', which Verilog or a cell has taken"),
        ("logic", "cannot be 'logic'"),
        ("CARRY8", "cannot be 'CARRY8'"),
    ],
)
def test_names_that_cannot_be(program, name, said, tmp_path):
    with pytest.raises(InputError) as raised:
        kanhw.generate(program, tmp_path / "design", name=name)
    assert said in str(raised.value)
    assert not (tmp_path / "design").exists()


def test_core_of_an_axi_design(design):
    assert (design.path / TCL_FILE).is_file()
    check_core(design)


def check_core(design):
    text = (design.path / "kan.core").read_text()
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)
    assert core["CAPI=2"] is None
    assert re.fullmatch(r"kanhw:generated:kan:\d+\.\d+\.\d+\w*", core["name"])
    for target in core["targets"].values():
        assert target["toplevel"] == design.top
        assert set(target["filesets"]) <= set(core["filesets"])
    for fileset in core["filesets"].values():
        assert fileset["files"]
        for name in fileset["files"]:
            assert (design.path / name).is_file()


def test_manifest(design):
    again = kanhw.load_design(design.path)
    assert again == design
    assert (again.interface, again.input.lane) == ("axi4-stream", 8)
    assert (again.control_bits > 0) == (again.input.heads == 3)
    assert again.to_json()["format"] == 2


def test_verilog_ports_are_the_wires(design):
    ports = verilog_ports(design)
    assert sorted(ports) == sorted(design.wires.names)
    outputs = {name for name, direction in ports.items() if direction == "output"}
    control = ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid")
    assert outputs == {
        *("s_axis_tready", "m_axis_tdata", "m_axis_tvalid", "m_axis_tlast", "tlast_error"),
        *(f"s_axi_{name}" for name in control if design.control_bits),
    }
    assert ("s_axis_tuser" in ports) == (design.input.heads == 3)


def test_script_names_ports_and_files_that_exist(design):
    text = (design.path / TCL_FILE).read_text()
    ports = verilog_ports(design)
    named = [
        set(found.split())
        for found in re.findall(r"^(?:set \w+ \[)?interface \$core .*\{(.*)\}", text, re.M)
    ]
    assert len(named) == (5 if design.control_bits else 4)
    # Every port but the flag belongs to exactly one interface.
    assert sum(map(len, named)) == len(set().union(*named))
    assert set().union(*named) == set(ports) - {"tlast_error"}
    assert re.findall(r"\$here ([\w.]+)\]", text) == [design.verilog]


def test_script_runs(design, tmp_path):
    """Tcl reads it; Vivado's own commands are only written down."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("there is no tclsh")
    # The recorder sources the script as if the script had been started.
    script = design.path / TCL_FILE
    recorder = tmp_path / "recorder.tcl"
    recorder.write_text(RECORDER.replace("[lindex $argv0 0]", f"{{{script}}}"))
    done = subprocess.run(
        [tclsh, recorder], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    calls = done.stdout.splitlines()
    assert f"add_files -norecurse {design.verilog_path.resolve()}" in calls
    assert (
        calls[0]
        == f"create_project -force kan_packaging {tmp_path / 'out' / 'packaging'} -part part"
    )
    busses = [call for call in calls if call.startswith("ipx::infer_bus_interface")]
    kinds = ["clock_rtl", "reset_rtl", "axis_rtl", "axis_rtl"]
    kinds += ["aximm_rtl"] if design.control_bits else []
    assert [call.split()[-2].split(":")[2] for call in busses] == kinds
    ranges = [call for call in calls if call.startswith("set_property range")]
    wanted = f"set_property range {1 << design.control_bits} {{}}"
    assert ranges == ([wanted] if design.control_bits else [])
    assert calls[-2:] == ["ipx::save_core {}", "close_project"]
