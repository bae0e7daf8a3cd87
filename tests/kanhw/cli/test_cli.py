"""The command line: what scripts rely on."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import (
    COMMANDS,
    CONSOLE_SCRIPT,
    GENERATE,
    N_IN,
    N_OUT,
    SIMULATE,
    but,
    listing,
    run,
    run_json,
)
from engines import quick_engine
from sealed import seal_again

from kanhw import load_design
from kanhw.cli import command as command_line
from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.flow import demonstration


def test_folded_design(shop, here, capsys):
    """Generated, simulated and reported without a word about its schedule but in generate."""
    folded = ("--schedule", "folded", "--parallel-inputs", "2", "--parallel-outputs", "layers.0=2")
    made = run_json(capsys, "generate", shop / "kanele", "--out", "out", *folded)
    assert made["schedule"]["parallel_outputs"] == {"layers.0": 2}
    assert (made["input"]["count"], made["initiation_interval"]) == (2, 1)
    with_one = run_json(capsys, "generate", shop / "kanele", "--out", "one", "--schedule", "folded")
    assert (with_one["input"]["beats"], with_one["input"]["length"]) == (2, 2)
    assert with_one["initiation_interval"] == 4
    vectors = ("--vectors", shop / "codes.npz", "--engine", quick_engine())
    found = run_json(capsys, "simulate", "one", *vectors)
    assert (found["passed"], found["vectors"]) == (True, 50)
    assert run("report", "one", "--out", "report.html") == 0
    text = Path("report.html").read_text()
    assert "folded, 1 inputs by 1 outputs at a time" in text
    assert "2 codes, 1 a beat" in text


@pytest.mark.parametrize(
    "arguments", [but(SIMULATE, 3, "{shop}/objects.npz"), but(GENERATE, 1, "no")]
)
def test_bad_input_to_the_console_script(arguments, shop, here):
    before = listing(shop, here)
    words = [argument.replace("{shop}", str(shop)) for argument in arguments]
    done = subprocess.run([CONSOLE_SCRIPT, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"kanhw: error: [^\n]+\n", done.stderr), done.stderr
    assert listing(shop, here) == before
    assert not (shop / "trapped").exists()


def test_no_simulator(shop, here, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("KANHW_SIMULATOR", raising=False)
    monkeypatch.setattr("kanhw.tools.simulators._pypi_folder", lambda: None)
    for arguments in (
        ["simulate", shop / "design", "--vectors", shop / "codes.npz", "--out", "out"],
        ["simulate", shop / "design", "--vectors", shop / "codes.npz", "--engine", "fast"],
        ["demo", "--out", "out"],
    ):
        assert run(*arguments) == 2
        line = r"kanhw: error: (No Verilog simulator|Verilator \S+ or newer) was (not )?found.*\n"
        error = capsys.readouterr().err
        assert re.fullmatch(line, error), error
        assert "apt-get install iverilog" in error
        assert not list(here.iterdir())


def test_no_yosys(shop, here, monkeypatch, capsys):
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    for arguments in (
        ["estimate", shop / "design", "--target", "ecp5", "--out", "out"],
        ["demo", "--out", "out"],
    ):
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert re.fullmatch(r"kanhw: error: \$YOSYS is 'no-such-yosys', which .*\n", error), error
        assert not list(here.iterdir())


def test_failing_verilog_writer(shop, here, monkeypatch, capsys):
    from amaranth.back.verilog import YosysError

    def fail(*_):
        raise YosysError("ERROR: out of\nluck")

    monkeypatch.setattr("kanhw.gateware.generate_verilog", fail)
    assert run("generate", shop / "kanele", "--out", "out") == 2
    line = "kanhw: error: Yosys, which Amaranth writes Verilog with, failed: ERROR: out of luck\n"
    assert capsys.readouterr().err == line
    assert not list(here.iterdir())


def test_full_disk(shop, here, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    monkeypatch.setattr(os, "fsync", fail)
    assert run("generate", shop / "kanele", "--out", "out") == 2
    arguments = ["quantize", shop / "model.pt", "--calibration", shop / "train.npz"]
    assert run(*arguments, "--out", "kan.safetensors") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("(No space left on device): " in line for line in lines)
    assert not list(here.iterdir())


def test_a_demo_that_stops_says_what_it_leaves(here, monkeypatch, capsys):
    def fail(*_, **__):
        raise ToolFailed("The simulator fell over")

    small = partial(demonstration.DemoSize, hidden=2, epochs=1, pruning=((20, 0),))
    monkeypatch.setattr(demonstration, "DemoSize", small)
    monkeypatch.setattr(demonstration, "simulate", fail)
    assert run("demo", "--out", "out") == 2
    progress, error = capsys.readouterr().err.rstrip().rsplit("\n", 1)
    assert progress.endswith("under cocotb, with stalls ... stopped")
    assert error == (
        "kanhw: error: The simulator fell over (the demo stopped; what it had finished is in out, "
        "which you can remove)"
    )
    assert {path.name for path in (here / "out").iterdir()} == {
        *("train.npz", "test.npz", "model.pt", "program.safetensors", "design"),
    }
    load_design("out/design")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ToolNotFound("a\nb"), "a b"),
        (
            PermissionError(13, "Permission denied", "f"),
            "f: Permission denied; check its path and your permissions",
        ),
    ],
)
def test_other_errors_are_one_line(error, line, shop, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("kanhw.flow.estimating.estimate", fail)
    assert run("estimate", shop / "design", "--target", "ecp5") == 2
    assert capsys.readouterr().err == f"kanhw: error: {line}\n"


def test_title_and_date_of_a_report(shop, here):
    report = ("report", shop / "design", "--out", "report.html")
    assert run(*report, "--title", "Mine & yours", "--date", "some day") == 0
    text = Path("report.html").read_text()
    assert "<h1>Mine &amp; yours</h1>" in text and "some day" in text
    assert run(*report) == 0
    assert re.search(r"\. \d{4}-\d\d-\d\d</p>", Path("report.html").read_text())
    assert run(*report, "--date", "") == 0
    assert not re.search(r"\d{4}-\d\d-\d\d</p>", Path("report.html").read_text())


def test_ctrl_c(shop, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kanhw.flow.estimating.estimate", stop)
    assert run("estimate", shop / "design", "--target", "ecp5") == 130
    assert capsys.readouterr() == ("", "kanhw: stopped\n")


@pytest.mark.parametrize("module", ["argparse", "kanhw.cli.command", "numpy"])
def test_ctrl_c_while_importing(module):
    code = f"""
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Interrupt())
from kanhw.cli import main
sys.exit(main(["quantize", "--help"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kanhw: stopped\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("estimate", "{shop}/design", "--target", "ecp5"), r"synthesise \S+ for ecp5"),
        (("simulate", "{shop}/design", "--vectors", "{shop}/codes.npz"), r"simulate \S+"),
    ],
    ids=["estimate", "simulate"],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(arguments, words, terminal, shop, monkeypatch, capsys):
    def fail(*_, **__):
        raise ToolFailed("it fell over")

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("kanhw.flow.estimating.estimate", fail)
    monkeypatch.setattr("kanhw.flow.verification.simulate", fail)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert run(*(argument.replace("{shop}", str(shop)) for argument in arguments)) == 2
    shown = capsys.readouterr().err
    assert re.fullmatch(f"({words} ... stopped\n)?kanhw: error: it fell over\n", shown)
    assert ("stopped" in shown) == terminal


def test_a_bug_is_told_from_bad_input(shop, monkeypatch, capsys):
    monkeypatch.setattr("kanhw.flow.estimating.estimate", lambda *_, **__: 1 / 0)
    assert run("estimate", shop / "design", "--target", "ecp5") == 3
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error and "bug in kanhw" in error.splitlines()[-1]


@pytest.mark.some(5)
@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(command, capsys):
    assert run(command, "--help") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    example = shown.out.split("example:\n", 1)[1].split()
    assert example[:2] == ["kanhw", command]
    assert command_line._parser().parse_args(example[1:]).json is ("--json" in example)


def test_version_and_general_help(capsys):
    assert run("--version") == 0
    assert re.fullmatch(r"kanhw \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^ +{command}\s+\w", shown, re.MULTILINE) for command in COMMANDS)


def test_every_command_on_files(shop, here, capsys):
    """The chain that a Makefile would drive, with an argmax output, and what JSON it prints."""
    quantized = run_json(
        capsys, "quantize", shop / "model.pt", "--calibration", shop / "train.npz",
        "--activation-bits", 3, "--realisation", "edge_table", "--out", "kan.safetensors",
    )
    assert quantized["program"] == "kan.safetensors"
    assert (quantized["n_in"], quantized["n_out"]) == (N_IN, N_OUT)
    assert quantized["realisations"] == ["edge_table"] * 2 and quantized["active_edges"] > 0

    generated = run_json(capsys, "generate", "kan.safetensors", "--out", "design", "--argmax")
    assert generated["design"] == "design"
    assert generated["output"] == {"count": 1, "width": 1, "signed": False}
    assert generated["latency_cycles"] > 0
    before = listing(here)
    assert run_json(capsys, "generate", "kan.safetensors", "--out", "design", "--argmax")
    assert listing(here) == before
    Path("design/mine").touch()
    assert run("generate", "kan.safetensors", "--out", "design") == 2
    Path("design/mine").unlink()
    assert {path.name for path in listing(here)} == {path.name for path in before}
    capsys.readouterr()

    simulated = run_json(
        capsys, "simulate", "design", "--vectors", shop / "train.npz",
        "--out", "sim.json", "--outputs", "y.npz",
    )
    assert simulated["passed"] is True
    assert (simulated["vectors"], simulated["mismatches"]) == (64, 0)
    assert 0 <= simulated["accuracy"] <= 1 and simulated["max_error"] is None
    assert simulated["latency_cycles"] == generated["latency_cycles"]
    assert json.loads((here / "sim.json").read_text()) == simulated
    with np.load("y.npz") as file, np.load(shop / "train.npz") as data:
        assert file["y"].shape == (64, 1)
        assert (file["y"][:, 0] == data["labels"]).mean() == simulated["accuracy"]
    # Features of one value are whole numbers or codes: the command asks, and takes an answer.
    np.savez("whole.npz", x=np.zeros((4, N_IN), int))
    assert run("simulate", "design", "--vectors", "whole.npz") == 2
    error = capsys.readouterr().err
    assert "whole.npz: 'x' holds integers" in error and "--codes" in error and "--reals" in error
    np.savez("far.npz", x=np.full((4, N_IN), 1e9))
    assert run("simulate", "design", "--vectors", "far.npz") == 0
    assert "warning: 12 of 12 inputs (100.00 %) lie beyond" in capsys.readouterr().out

    estimated = run_json(
        capsys, "estimate", "design", "--target", "ice40", "--out", "ice40.json"
    )
    assert {"lut", "ff", "dsp", "bram"} <= set(estimated) and estimated["lut"] > 0
    assert json.loads((here / "ice40.json").read_text()) == estimated

    reported = run_json(
        capsys, "report", "design", "--out", "report.html", "--model", shop / "model.pt",
        "--option", "base_activation=silu", "--data", shop / "train.npz", "--outputs", "y.npz",
        "--simulation", "sim.json", "--estimate", "ice40.json",
    )
    assert reported == {"report": "report.html"}
    assert "<svg" in (here / "report.html").read_text()


@pytest.mark.slow  # Verilator's runtime is compiled again, with traces.
def test_waves(shop, here):
    for name in ("first", "again"):
        words = ("--vectors", shop / "codes.npz", "--waves", name)
        assert run("simulate", shop / "design", *words) == 0
        assert [path.stat().st_size > 0 for path in here.glob(f"{name}.*")] == [True]


@pytest.mark.wide
def test_text_for_people(shop, here, capsys):
    assert run("generate", shop / "kanele", "--out", "design", "--no-handshake") == 0
    assert not load_design("design").schedule.handshake
    vectors = ("--vectors", shop / "codes.npz", "--engine", quick_engine())
    assert run("simulate", shop / "design", *vectors) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"design: kan\.v, latency \d+ cycles, one inference every 1", lines[0])
    assert re.fullmatch(r"passed: 50 vectors on .*, 0 outputs differ", lines[1])


def test_y_decides_only_where_it_is_integer(shop, here, capsys):
    with np.load(shop / "codes.npz") as file:
        x = file["x"]
    y = load_design(shop / "design").load_program()(x)
    np.savez("right.npz", x=x, y=y.astype(np.int16))
    np.savez("float.npz", x=x, y=y + 0.5)
    y[7, 0] += 1
    np.savez("wrong.npz", x=x, y=y)
    fast = ("--engine", quick_engine())
    shown = run_json(capsys, "simulate", shop / "design", *fast, "--vectors", "right.npz")
    assert (shown["expected_mismatches"], shown["max_error"]) == (0, None)
    shown = run_json(capsys, "simulate", shop / "design", *fast, "--vectors", "wrong.npz", status=1)
    assert (shown["passed"], shown["mismatches"], shown["expected_mismatches"]) == (False, 0, 1)
    shown = run_json(capsys, "simulate", shop / "design", *fast, "--vectors", "float.npz")
    assert (shown["expected_mismatches"], shown["max_error"]) == (None, 0.5)
    assert run("simulate", shop / "design", *fast, "--vectors", "float.npz") == 0
    assert "largest error against y 0.5" in capsys.readouterr().out


def test_one_wrong_bit_in_a_table(shop, here, capsys):
    """The manifest refuses changed Verilog; past the manifest, the simulation finds the bit."""
    np.savez("all.npz", x=np.stack(np.meshgrid(range(16), range(16)), -1).reshape(-1, 2))
    shutil.copytree(shop / "design", "design")
    text = (here / "design" / "kan.v").read_text()
    entry = next(re.finditer(r"memory\[5\] = \d+'h([0-9a-f]+);", text))
    wrong = f"{int(entry[1], 16) ^ 1:x}".zfill(len(entry[1]))
    text = text[: entry.start(1)] + wrong + text[entry.end(1) :]
    (here / "design" / "kan.v").write_text(text)
    arguments = ("simulate", "design", "--vectors", "all.npz", "--out", "sim.json")
    arguments += ("--engine", quick_engine())
    assert run(*arguments) == 2
    assert "was changed after it was generated" in capsys.readouterr().err
    assert not (here / "sim.json").exists()
    seal_again(here / "design")
    shown = run_json(capsys, *arguments, status=1)
    assert shown["passed"] is False and shown["mismatches"] > 0
    assert shown["problems"][0].startswith(f"{shown['mismatches']} output codes differ from the")
    assert json.loads((here / "sim.json").read_text()) == shown
    assert run(*arguments) == 1
    assert capsys.readouterr().out.startswith("FAILED: 256 vectors on ")


@pytest.mark.wide
def test_published_network(shared_folder, here, capsys):
    folder = shared_folder / "peers" / "kanele" / "moons"  # the smallest
    run_json(capsys, "generate", folder, "--out", "moons")
    shown = run_json(capsys, "simulate", "moons", "--vectors", folder / "vectors.npz")
    assert (shown["vectors"], shown["mismatches"], shown["expected_mismatches"]) == (2000, 0, 0)


@pytest.mark.slow  # much like the one before, and larger
def test_published_network_with_argmax(shared_folder, here, capsys):
    """Integer outputs in the file become the class indices that the hardware must hand out."""
    folder = shared_folder / "peers" / "kanele" / "wine"
    run_json(capsys, "generate", folder, "--out", "wine", "--argmax")
    shown = run_json(capsys, "simulate", "wine", "--vectors", folder / "vectors.npz")
    assert (shown["mismatches"], shown["expected_mismatches"]) == (0, 0)


def test_library_checkpoint(shared_folder, here, capsys):
    folder = shared_folder / "fixtures" / "kan_libraries" / "efficient_kan_digits"
    shown = run_json(
        capsys, "quantize", folder / "model.pt", "--calibration", folder / "vectors.npz",
        "--activation-bits", 5, "--out", "digits.safetensors",
    )
    assert (shown["n_in"], shown["n_out"]) == (64, 10) and shown["active_edges"] > 1100


def test_quantize_prints_what_it_cost(shop, here, capsys):
    with np.load(shop / "train.npz") as file:
        x = file["x"]
    np.savez("data.npz", x=x, labels=np.zeros(len(x), int), y=np.zeros(3))
    arguments = ("quantize", shop / "model.pt", "--calibration", "data.npz", "--out", "out")
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    head = f"error against the float model on {len(x)} samples (calibration data, none of them"
    assert sum(line.startswith(head) for line in lines) == 1
    assert any(line.startswith("  accuracy ") for line in lines)
    assert lines[-2].startswith(f"warning: only {len(x)} samples: ")
    # What lies beside the features keeps nobody from their codes.
    assert re.match(r"warning: data.npz: nothing was compared with y: y must have", lines[-1])
    quality = run_json(capsys, *arguments)["quality"]
    assert len(quality["errors"]) == N_OUT and len(quality["features"]) == N_IN
    assert 0 <= quality["accuracy"] <= 1 and quality["target_errors"] == []
    assert len(quality["warnings"]) == 2
