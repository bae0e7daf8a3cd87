"""A back end that this package does not know: C tables, chosen by its name, refused elsewhere."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from physical_programs import physical_program

import kanhw
from kanhw.cli import main
from kanhw.design.backend_design import BackendDesign, load_backend_design
from kanhw.errors import InputError
from kanhw.estimation import estimate_design
from kanhw.flow.backend import Written
from kanhw.flow.backends import BACKENDS, backend_named, register_backend
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.sim import check_design


class CTables:
    """Every integer array of every layer as an array of C."""

    name = "c_tables"
    options = ("prefix",)

    def write(self, program, schedule, options):
        prefix = str(options.get("prefix", "kan"))
        if not re.fullmatch(r"[a-z]\w*", prefix):
            raise InputError(f"The prefix of C tables must be a C identifier, not {prefix!r}")
        lines, sizes = ["#include <stdint.h>", ""], {}
        for number, layer in enumerate(program.layers):
            for name, array in sorted(layer.tensors().items()):
                own = f"{prefix}_{number}_{name}"
                values = ", ".join(str(value) for value in np.ravel(array).tolist())
                lines.append(f"const int64_t {own}[{array.size}] = {{{values}}};")
                sizes[own] = list(array.shape)
        text = "\n".join(lines) + "\n"
        return Written({"tables.c": text.encode()}, {"arrays": sizes, "schedule": schedule.kind})


@pytest.fixture
def c_tables(monkeypatch):
    """The back end registered, for one test."""
    known = dict(BACKENDS)
    register_backend(CTables())
    yield
    BACKENDS.clear()
    BACKENDS.update(known)


def layer(rng, n_in, n_out, format):
    tables = rng.integers(-8, 8, (n_out, n_in, 8))
    ones, zeros = np.ones((1, n_out), np.int64), np.zeros(n_out, np.int64)
    shift = 0 if format is None else 1
    return EdgeTableLayer(tables, (Requantizer(ones, zeros, shift, format),))


@pytest.fixture(scope="module")
def program():
    rng, code = np.random.default_rng(0), CodeFormat(3, signed=True)
    return Program((layer(rng, 3, 4, code), layer(rng, 4, 2, None)), InputEncoder(code, 3))


@pytest.fixture
def design(c_tables, program, tmp_path):
    return kanhw.generate(program, tmp_path / "design", backend="c_tables")


def test_the_files_are_what_the_back_end_wrote(design, program):
    assert isinstance(design, BackendDesign)
    assert (design.backend, design.files) == ("c_tables", ("tables.c",))
    assert sorted(path.name for path in design.path.iterdir()) == [
        "manifest.json",
        "program.safetensors",
        "tables.c",
    ]
    text = (design.path / "tables.c").read_text()
    found = dict(re.findall(r"int64_t (\w+)\[\d+\] = \{(.*)\};", text))
    assert found.keys() == design.facts["arrays"].keys()
    for number, each in enumerate(program.layers):
        for name, array in each.tensors().items():
            own = f"kan_{number}_{name}"
            values = np.array(found[own].split(", "), np.int64).reshape(design.facts["arrays"][own])
            np.testing.assert_array_equal(values, array)
    codes = np.random.default_rng(1).integers(-4, 4, (20, 3))
    np.testing.assert_array_equal(design.load_program()(codes), program(codes))


def test_the_tables_are_c(design, program):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (design.path.parent / "main.c").write_text(
        '#include <stdio.h>\n#include "design/tables.c"\nint main(void) {\n'
        "    int64_t sum = 0;\n"
        "    for (int k = 0; k < 96; k++) sum += kan_0_tables[k] * (k + 1);\n"
        '    printf("%lld", (long long)sum);\n    return 0;\n}\n'
    )
    folder = design.path.parent
    subprocess.run([compiler, "-Wall", "-Werror", "main.c", "-o", "main"], cwd=folder, check=True)
    output = subprocess.run([folder / "main"], check=True, capture_output=True, text=True)
    tables = program.layers[0].tensors()["tables"].ravel()
    assert int(output.stdout) == int(tables @ np.arange(1, tables.size + 1))


def test_the_manifest_says_which_back_end_made_it(design, program, tmp_path):
    manifest = json.loads((design.path / "manifest.json").read_text())
    assert (manifest["backend"], manifest["format"]) == ("c_tables", 3)
    assert manifest["facts"]["schedule"] == "unrolled"
    assert load_backend_design(design.path) == design
    # The same bytes for the same arguments: the folder is left as it is.
    assert kanhw.generate(program, design.path, backend="c_tables") == design
    (design.path / "tables.c").write_text("")
    with pytest.raises(InputError, match=r"tables\.c was changed after it was generated"):
        load_backend_design(design.path)
    verilog = kanhw.generate(program, tmp_path / "verilog")
    assert "backend" not in json.loads((verilog.path / "manifest.json").read_text())
    with pytest.raises(InputError, match=r"was written by the back end 'verilog': use load_design"):
        load_backend_design(verilog.path)


def test_only_verilog_is_simulated_estimated_and_reported(design, tmp_path):
    codes = np.zeros((2, 3), np.int64)
    for use in (
        lambda: kanhw.simulate(design, codes),
        lambda: kanhw.simulate(design.path, codes),
        lambda: kanhw.estimate(design, "ecp5"),
        lambda: kanhw.estimate(design.path, "ecp5"),
        lambda: kanhw.report(design, tmp_path / "report.html"),
        lambda: kanhw.load_design(design.path),
        lambda: estimate_design(design.path, "ecp5"),
        lambda: check_design(design.path, codes),
    ):
        with pytest.raises(
            InputError,
            match=r"design was written by the back end 'c_tables', and this command takes designs "
            r"of 'verilog': generate the Program with 'verilog', too$",
        ):
            use()


def test_the_command_line_takes_it(c_tables, program, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kanhw.save_program(program, "kan.safetensors")
    command = ["generate", "kan.safetensors", "--out", "design", "--backend", "c_tables"]
    assert main(command) == 0
    assert capsys.readouterr().out == "design: tables.c (c_tables)\n"
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["design"], told["backend"]) == ("design", "c_tables")
    assert main([*command, "--interface", "axi4-stream"]) == 2
    expected = "The back end 'c_tables' does not take 'interface': it takes prefix"
    assert capsys.readouterr().err == f"kanhw: error: {expected}\n"
    assert main(["estimate", "design", "--target", "ecp5"]) == 2
    assert "was written by the back end 'c_tables'" in capsys.readouterr().err
    assert main([*command[:-1], "vhdl"]) == 2
    expected = "Unknown back end 'vhdl': the back ends are verilog, hls, c_tables"
    assert capsys.readouterr().err == f"kanhw: error: {expected}\n"


def test_options_reach_it_and_others_are_refused(c_tables, program, tmp_path):
    design = kanhw.generate(program, tmp_path / "design", backend="c_tables", prefix="net")
    assert "net_0_tables" in design.facts["arrays"]
    with pytest.raises(InputError, match=r"must be a C identifier, not '9'$"):
        kanhw.generate(program, tmp_path / "other", backend="c_tables", prefix="9")
    with pytest.raises(InputError, match=r"^The back end 'verilog' does not take 'prefix': it "):
        kanhw.generate(program, tmp_path / "other", backend="verilog", prefix="net")
    assert not (tmp_path / "other").exists()


def test_conversions_are_refused_where_nobody_makes_them(c_tables, tmp_path):
    converted = kanhw.with_formats(physical_program(), inputs="q8.8")
    for program, formats in ((converted, {}), (physical_program(), {"input_format": "q8.8"})):
        with pytest.raises(InputError, match=r"^The back end 'c_tables' does not convert inputs: "):
            kanhw.generate(program, tmp_path / "design", backend="c_tables", **formats)
    assert not (tmp_path / "design").exists()


def test_the_command_line_hands_options_on(c_tables, program, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kanhw.save_program(program, "kan.safetensors")
    command = ["generate", "kan.safetensors", "--out", "design", "--backend", "c_tables"]
    for given, expected in (
        (["prefix"], "--backend-option needs NAME=VALUE, every name once, not 'prefix': the back "),
        (["prefix=a", "prefix=b"], "--backend-option needs NAME=VALUE, every name once, not "),
        (["width=3"], "The back end 'c_tables' does not take 'width': it takes prefix"),
        (["schedule=3"], "The back end 'c_tables' does not take 'schedule': it takes prefix"),
        (["prefix=9"], "The prefix of C tables must be a C identifier, not '9'"),
    ):
        options = [part for text in given for part in ("--backend-option", text)]
        assert main([*command, *options]) == 2
        assert capsys.readouterr().err.startswith(f"kanhw: error: {expected}")
    assert not (tmp_path / "design").exists()
    assert main([*command, "--backend-option", "prefix=net", "--json"]) == 0
    assert "net_0_tables" in json.loads(capsys.readouterr().out)["facts"]["arrays"]


def test_options_have_other_names_than_arguments_of_generate():
    own = CTables()
    own.name, own.options = "clash", ("out",)
    with pytest.raises(InputError, match=r"^The back end 'clash' cannot have an option 'out', "):
        register_backend(own)
    assert "clash" not in BACKENDS


def test_names_are_taken_once_and_unknown_ones_are_listed(c_tables):
    assert backend_named("verilog").name == "verilog"
    with pytest.raises(InputError, match=r"^There is a back end 'c_tables' already: give yours "):
        register_backend(CTables())
    with pytest.raises(InputError, match=r"^Unknown back end 'vhdl': the back ends are verilog, "):
        backend_named("vhdl")


@pytest.mark.parametrize("name", ["manifest.json", "program.safetensors", "../kan.c", "sub/kan.c"])
def test_a_back_end_keeps_to_its_files(name):
    with pytest.raises(ValueError, match=r"^A back end cannot write a file '.*': its files lie in"):
        Written({name: b""})
