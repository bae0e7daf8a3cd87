"""The command line: what scripts rely on, and every kind of bad input."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from kanhw import cli, load_design
from kanhw.cli import command as command_line
from kanhw.design.design import MANIFEST, sha256_of_bytes
from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.flow import demonstration

torch = pytest.importorskip("torch")

CONSOLE_SCRIPT = Path(sys.executable).parent / "kanhw"
COMMANDS = ("demo", "quantize", "generate", "simulate", "estimate", "report")
N_IN, N_OUT = 3, 2


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def write_models(folder):
    """A checkpoint that works, and one for every way in which it may not."""
    from kanhw.layers import KAN

    torch.manual_seed(0)
    good = KAN([N_IN, 2, N_OUT]).state_dict()
    knots = good["layers.0.grid"].clone()
    knots[1, 4] = knots[1, 3]
    weights = {value: good["layers.1.base_weight"].clone() for value in (np.nan, np.inf)}
    for value, tensor in weights.items():
        tensor[0, 1] = value
    checkpoints = {
        "model": good,
        "nan": {**good, "layers.1.base_weight": weights[np.nan]},
        "inf": {**good, "layers.1.base_weight": weights[np.inf]},
        "knots": {**good, "layers.0.grid": knots},
        "keys": {**good, "layers.0.surprise": torch.zeros(2)},
        "foreign": {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)},
        "shapes": {**good, "layers.0.spline_weight": torch.zeros(2, N_IN + 1, 8)},
        "widths": {**good, **{
            f"layers.1.{name}": value for name, value in KAN([5, 2]).layers[0].state_dict().items()
        }},
        "incomplete": {name: value for name, value in good.items() if name != "layers.0.grid"},
        "whole": torch.nn.Linear(2, 2),
        "trap": {**good, "trap": Trap(folder / "trapped")},
        "number": 3,
    }
    for name, content in checkpoints.items():
        torch.save(content, folder / f"{name}.pt")
    (folder / "pickle.pt").write_bytes(pickle.dumps(Trap(folder / "trapped")))
    (folder / "text.pt").write_text("not a checkpoint")
    (folder / "text.safetensors").write_text("not a checkpoint")
    (folder / "empty.pt").write_bytes(b"")
    (folder / "model.onnx").write_bytes(b"\0")


def write_data(folder):
    generator = np.random.default_rng(1)
    x = generator.uniform(-1, 1, (64, N_IN))
    codes = generator.integers(0, 16, (50, 2))
    arrays = {
        "train": {"x": x, "labels": generator.integers(0, N_OUT, 64)},
        "wide": {"x": np.zeros((4, N_IN + 1))},
        "flat": {"x": np.zeros(N_IN)},
        "rowless": {"x": np.zeros((0, N_IN))},
        "nan": {"x": np.full((4, N_IN), np.nan)},
        "words": {"x": np.array([["a", "b", "c"]])},
        "objects": {"x": np.array([[Trap(folder / "trapped")] * N_IN], object)},
        "nameless": {"samples": x},
        "codes": {"x": codes},
        "beyond": {"x": codes + 16},
        "real_codes": {"x": codes.astype(float)},
        "inf_y": {"x": codes, "y": np.full((50, 1), np.inf)},
        "short_y": {"x": codes, "y": np.zeros((49, 1), int)},
        "float_labels": {"x": codes, "labels": np.zeros(50)},
    }
    for name, named in arrays.items():
        np.savez(folder / f"{name}.npz", **named)
    np.save(folder / "single.npy", x)
    (folder / "text.npz").write_text("x,y\n1,2\n")
    (folder / "cut.npz").write_bytes((folder / "train.npz").read_bytes()[:200])


def write_kanele(folder):
    """A network of 2-2-1 in KANELE's files, of 4-bit codes, and two broken ones beside it."""
    generator = np.random.default_rng(2)
    config = {"layers": [2, 2, 1], "layers_bitwidth": [4, 4, 6]}
    tables = {
        f"{layer}_{i}_{j}": {"acive": 1, "values_int": generator.integers(-6, 7, 16).tolist()}
        for layer, i, j in ((0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0))
    }
    broken = {**tables, "0_0_0": {"acive": 1, "values_int": [1, 2]}}
    for name, content in (("kanele", tables), ("short", broken), ("nojson", None)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
        text = "{" if content is None else json.dumps(content)
        (folder / name / "truth_tables.json").write_text(text)


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A folder with good and bad files of every kind; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("shop")
    write_models(folder)
    write_data(folder)
    write_kanele(folder)
    quantize = ["quantize", "model.pt", "--calibration", "train.npz", "--out", "kan.safetensors"]
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert cli.main([*quantize, "--activation-bits", "4"]) == 0
        assert cli.main(["generate", "kanele", "--out", "design"]) == 0
        assert cli.main(["generate", "kan.safetensors", "--out", "real"]) == 0
    finally:
        os.chdir(here)
    shutil.copytree(folder / "design", folder / "changed")
    with (folder / "changed" / "kan.v").open("a") as file:
        file.write("// changed\n")
    (folder / "check.json").write_text(json.dumps({"engine": "cocotb"}))
    (folder / "list.json").write_text("[]")
    (folder / "bad.json").write_text("{")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(*folders):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns if path.is_file() else None)
        for folder in folders
        for path in Path(folder).rglob("*")
    }


def run(*arguments):
    """The exit status of a command in this process."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def run_json(capsys, *arguments, status=0):
    assert run(*arguments, "--json") == status
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("\n") == 1
    return json.loads(shown.out, parse_constant=pytest.fail)


QUANTIZE = ("quantize", "{shop}/model.pt", "--calibration", "{shop}/train.npz", "--out", "out")
GENERATE = ("generate", "{shop}/kanele", "--out", "out")
SIMULATE = ("simulate", "{shop}/design", "--vectors", "{shop}/codes.npz", "--out", "out")
ESTIMATE = ("estimate", "{shop}/design", "--target", "ice40", "--out", "out")
REPORT = ("report", "{shop}/design", "--out", "out")


def but(arguments, place, value, *more):
    """The same arguments with another at one place, and more behind them."""
    return (*arguments[:place], value, *arguments[place + 1 :], *more)


def models(expected):
    return [(but(QUANTIZE, 1, f"{{shop}}/{name}"), line) for name, line in expected.items()]


def calibrations(expected):
    return [(but(QUANTIZE, 3, f"{{shop}}/{name}"), line) for name, line in expected.items()]


def vectors(expected):
    return [(but(SIMULATE, 3, f"{{shop}}/{name}"), line) for name, line in expected.items()]


SAVE_STATE = r"is not a state_dict: .*never unpickles; save it with torch.save\("
BAD = [
    *models(
        {
            "missing.pt": r"missing\.pt does not exist",
            "nan.pt": r"'layers\.1\.base_weight' holds NaN or infinity in 1 of 4 places: .*go back",
            "inf.pt": r"'layers\.1\.base_weight' holds NaN or infinity in 1 of 4 places",
            "knots.pt": r"'layers\.0\.grid': .* twice \(positions 3 and 4\)",
            "keys.pt": r"'layers\.0\.surprise' lies in the KAN layer",
            "foreign.pt": r"holds no KAN that kanhw knows .*fc\.weight, fc\.bias",
            "shapes.pt": r"'layers\.0\.spline_weight' must have shape \[2, 3, any\]",
            "widths.pt": r"do not follow one another: 'layers\.0' 3 -> 2, 'layers\.1' 5 -> 2",
            "incomplete.pt": r"'layers\.0\.grid' is missing",
            "whole.pt": SAVE_STATE,
            "trap.pt": SAVE_STATE,
            "pickle.pt": SAVE_STATE,
            "text.pt": SAVE_STATE,
            "text.safetensors": r"is not a safetensors file",
            "number.pt": r"holds a int instead of a state_dict",
            "empty.pt": r"is empty: save the model again",
            "model.onnx": r"unknown suffix '\.onnx': kanhw reads \.pt",
            "real": r"holds no network that kanhw knows",
            "kan.safetensors": r"is quantized already: give it to 'kanhw generate'",
            "kanele": r"is quantized already: give it to 'kanhw generate'",
        }
    ),
    *calibrations(
        {
            "missing.npz": r"missing\.npz is not a file",
            "real": r"real is not a file: data are read from an npz file",
            "wide.npz": r"must have shape \[N, 3\] .*not \[4, 4\]",
            "flat.npz": r"must have shape \[N, 3\] .*not \[3\]",
            "rowless.npz": r"at least one sample",
            "nan.npz": r"NaN or infinity: remove or fill those rows",
            "words.npz": r"'x' must hold numbers, not <U1",
            "objects.npz": r"cannot be read as an npz file",
            "nameless.npz": r"has no array 'x' \(it has samples\)",
            "single.npy": r"it holds a single array\): write it with numpy\.savez",
            "text.npz": r"cannot be read as an npz file",
            "cut.npz": r"cannot be read as an npz file",
            "model.pt": r"cannot be read as an npz file|has no array 'x'",
        }
    ),
    *(
        ((*QUANTIZE, f"--{name}", value), line)
        for name, value, line in (
            ("activation-bits", "17", r"activation_bits must be 1 to 16, not 17"),
            ("activation-bits", "0", r"activation_bits must be 1 to 16, not 0"),
            ("base-bits", "-1", r"base_bits must be 1 to 12, not -1"),
            ("spline-bits", "99", r"spline_bits must be 1 to 12, not 99"),
            ("table-bits", "1", r"table_bits must be 2 to 16, not 1"),
            ("activation-bits", "four", r"invalid int value: 'four' \(see 'kanhw quantize --help'"),
            ("percentile", "nan", r"percentile must be 50 to 100, not nan"),
            ("realisation", "magic", r"invalid choice: 'magic'"),
            ("option", "layers", r"--option needs NAME=VALUE, .*not 'layers'"),
            ("option", "colour=red", r"takes no option 'colour': allowed are"),
            ("option", "base_activation=sin", r"'sin'.*silu"),
            ("option", "layers=elsewhere", r"elsewhere"),
            ("wings", "2", r"unrecognized arguments: --wings 2"),
        )
    ),
    *(
        (but(QUANTIZE, 5, place), line)
        for place, line in (
            ("missing/out", r"missing/out cannot be written: choose a folder that exists"),
            ("{shop}/model.pt/out", r"model\.pt/out cannot be written: choose a folder"),
            ("/proc/out", r"/proc/out cannot be written"),
            ("{shop}/real", r"real is not a file: name one to write"),
            ("/dev/null", r"/dev/null is not a file: name one to write"),
            ("", r"\. is not a file: name one to write"),
        )
    ),
    *(
        (but(GENERATE, 1, f"{{shop}}/{name}"), line)
        for name, line in (
            ("model.pt", r"float model and hardware needs integers: first 'kanhw quantize .*model"),
            ("short", r"truth_tables\.json: edge '0_0_0' needs 16 integers"),
            ("nojson", r"truth_tables\.json is not readable JSON"),
            ("missing", r"missing does not exist"),
        )
    ),
    *(
        (but(GENERATE, 3, place), line)
        for place, line in (
            ("{shop}/real", r"real already holds something else \(.*\): remove it, or name"),
            ("{shop}/kanele", r"kanele already holds something else"),
            ("{shop}/model.pt", r"model\.pt is a file: name a folder that does not exist yet"),
            ("{shop}/model.pt/out", r"model\.pt/out cannot be made .*: choose a place"),
            ("/proc/out", r"/proc/out cannot be made .*: choose a place that is yours"),
            (".", r"\. cannot be written .*: name another folder"),
        )
    ),
    ((*GENERATE, "--adder-levels", "17"), r"adder_levels must be 0 to 16, not 17"),
    ((*GENERATE, "--schedule", "systolic"), r"Unknown schedule 'systolic': this version knows"),
    ((*GENERATE, "--parallel-inputs", "2"), r"are for the folded schedule: add kind='folded'"),
    (
        (*GENERATE, "--schedule", "folded", "--parallel-outputs", "many"),
        r"--parallel-outputs needs a number, or numbers by layer as in layers.0=2,layers.1=1, not",
    ),
    (
        (*GENERATE, "--schedule", "folded", "--parallel-inputs", "first=2"),
        r"names layer 'first', but the layers that can be folded are 'layers.0', 'layers.1'",
    ),
    ((*GENERATE, "--option", "layers=a"), r"is a KANELE network, which takes no option 'layers'"),
    *vectors(
        {
            "missing.npz": r"missing\.npz is not a file",
            "nameless.npz": r"has no array 'x' \(it has samples\)",
            "train.npz": r"'x' must have shape \[N, 2\], not \(64, 3\)",
            "beyond.npz": r"x must be codes 0 to 15",
            "real_codes.npz": r"x holds real features, but this network takes integer codes",
            "inf_y.npz": r"'y' holds infinity",
            "short_y.npz": r"'y' has 49 rows but 'x' has 50",
            "float_labels.npz": r"'labels' must be integers, not float64",
        }
    ),
    (but(SIMULATE, 1, "{shop}/kanele"), r"kanele holds no design .*: make one with 'kanhw gen"),
    (but(SIMULATE, 1, "{shop}/model.pt"), r"model\.pt holds no design"),
    (but(SIMULATE, 1, "{shop}/changed"), r"kan\.v was changed after it was generated: generate"),
    ((*SIMULATE, "--simulator", "vcs"), r"Unknown simulator 'vcs': use icarus, verilator, or"),
    ((*SIMULATE, "--engine", "magic"), r"invalid choice: 'magic'"),
    ((*SIMULATE, "--seed", "-1"), r"seed of the stalls must be 0 to 4294967295, not -1"),
    ((*SIMULATE, "--outputs", "missing/y.npz"), r"missing/y\.npz cannot be written: choose"),
    ((*SIMULATE, "--waves", "missing/w"), r"There is no folder .*missing for the wave file"),
    ((*SIMULATE, "--waves", "w", "--engine", "fast"), r"'fast' has neither .*waves: use cocotb"),
    (but(ESTIMATE, 3, "virtex"), r"Unknown target 'virtex': the targets are xcup, ecp5, ice40"),
    (but(ESTIMATE, 1, "{shop}/changed"), r"kan\.v was changed after it was generated"),
    (but(ESTIMATE, 1, "missing"), r"missing holds no design"),
    (but(ESTIMATE, 5, "{shop}/model.pt/out"), r"model\.pt/out cannot be written"),
    (but(REPORT, 1, "{shop}/changed"), r"kan\.v was changed after it was generated"),
    (but(REPORT, 3, "missing/out"), r"missing/out cannot be written: choose a folder"),
    ((*REPORT, "--model", "{shop}/kanele"), r"is an integer network: --model takes the float one"),
    ((*REPORT, "--model", "{shop}/nan.pt"), r"holds NaN or infinity"),
    ((*REPORT, "--data", "{shop}/nameless.npz"), r"has no array 'x'"),
    ((*REPORT, "--data", "{shop}/train.npz"), r"integers|shape"),
    ((*REPORT, "--data", "{shop}/codes.npz", "--outputs", "{shop}/codes.npz"), r"no array 'y'"),
    ((*REPORT, "--simulation", "{shop}/check.json"), r"must name its vectors, mismatches"),
    ((*REPORT, "--simulation", "{shop}/list.json"), r"must hold a JSON object, not a list"),
    ((*REPORT, "--estimate", "{shop}/bad.json"), r"bad\.json is not readable JSON"),
    ((*REPORT, "--estimate", "{shop}/check.json"), r"estimate"),
    ((*REPORT, "--estimate", "missing.json"), r"missing\.json is not readable JSON"),
    (("demo", "--out", "{shop}/model.pt"), r"model\.pt cannot be made \(.*\): name another"),
    (("demo", "--out", "{shop}/real"), r"real already holds something .*: remove it, or name"),
    (("demo", "--out", "/proc/out"), r"/proc/out cannot be made"),
    (("demo", "--seed", "-1", "--out", "out"), r"seed of the demo must be 0 to 4294967295, not -1"),
    (("fly",), r"invalid choice: 'fly'"),
    ((), r"arguments are required: COMMAND"),
    (("quantize",), r"arguments are required: MODEL, --out"),
]


def named(case):
    return re.sub(r"[^\w.=-]+", " ", " ".join(case[0]).replace("{shop}/", ""))


@pytest.mark.parametrize("case", BAD, ids=named)
def test_bad_input_is_one_line_and_leaves_nothing(case, shop, here, capsys):
    arguments, line = case
    before = listing(shop, here)
    assert run(*(argument.replace("{shop}", str(shop)) for argument in arguments)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"kanhw( \w+)?: error: [^\n]+\n", shown.err), shown.err
    assert re.search(line, shown.err), shown.err
    assert listing(shop, here) == before
    assert not (shop / "trapped").exists()


def test_folded_design(shop, here, capsys):
    """Generated, simulated and reported without a word about its schedule but in generate."""
    folded = ("--schedule", "folded", "--parallel-inputs", "2", "--parallel-outputs", "layers.0=2")
    made = run_json(capsys, "generate", shop / "kanele", "--out", "out", *folded)
    assert made["schedule"]["parallel_outputs"] == {"layers.0": 2}
    assert (made["input"]["count"], made["initiation_interval"]) == (2, 1)
    with_one = run_json(capsys, "generate", shop / "kanele", "--out", "one", "--schedule", "folded")
    assert (with_one["input"]["beats"], with_one["input"]["length"]) == (2, 2)
    assert with_one["initiation_interval"] == 4
    vectors = ("--vectors", shop / "codes.npz", "--engine", "cocotb")
    found = run_json(capsys, "simulate", "one", *vectors)
    assert (found["passed"], found["vectors"]) == (True, 50)
    assert run("report", "one", "--out", "report.html") == 0
    text = Path("report.html").read_text()
    assert "folded, 1 inputs by 1 outputs at a time" in text
    assert "2 codes, 1 a beat" in text


@pytest.mark.parametrize("arguments", [but(QUANTIZE, 1, "{shop}/trap.pt"), but(GENERATE, 1, "no")])
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
    def fail(self, data):
        self.touch()
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", fail)
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
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_other_errors_are_one_line(error, line, shop, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("kanhw.flow.generation.estimate", fail)
    assert run("estimate", shop / "design", "--target", "ecp5") == 2
    assert capsys.readouterr().err == f"kanhw: error: {line}\n"


def test_a_bug_is_told_from_bad_input(shop, monkeypatch, capsys):
    monkeypatch.setattr("kanhw.flow.generation.estimate", lambda *_, **__: 1 / 0)
    assert run("estimate", shop / "design", "--target", "ecp5") == 3
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error and "bug in kanhw" in error.splitlines()[-1]


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
    assert all(re.search(rf"^ +{command} +\w", shown, re.MULTILINE) for command in COMMANDS)


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
    assert run("generate", "kan.safetensors", "--out", "design") == 2
    assert listing(here) == before
    capsys.readouterr()

    simulated = run_json(
        capsys, "simulate", "design", "--vectors", shop / "train.npz",
        "--out", "sim.json", "--outputs", "y.npz", "--waves", "waves",
    )
    assert simulated["passed"] is True
    assert (simulated["vectors"], simulated["mismatches"]) == (64, 0)
    assert 0 <= simulated["accuracy"] <= 1 and simulated["max_error"] is None
    assert simulated["latency_cycles"] == generated["latency_cycles"]
    assert json.loads((here / "sim.json").read_text()) == simulated
    with np.load("y.npz") as file, np.load(shop / "train.npz") as data:
        assert file["y"].shape == (64, 1)
        assert (file["y"][:, 0] == data["labels"]).mean() == simulated["accuracy"]
    assert list(here.glob("waves.*"))

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


def test_text_for_people(shop, here, capsys):
    assert run("generate", shop / "kanele", "--out", "design", "--no-handshake") == 0
    assert run("simulate", "design", "--vectors", shop / "codes.npz") == 0
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
    shown = run_json(capsys, "simulate", shop / "design", "--vectors", "right.npz")
    assert (shown["expected_mismatches"], shown["max_error"]) == (0, None)
    shown = run_json(capsys, "simulate", shop / "design", "--vectors", "wrong.npz", status=1)
    assert (shown["passed"], shown["mismatches"], shown["expected_mismatches"]) == (False, 0, 1)
    shown = run_json(capsys, "simulate", shop / "design", "--vectors", "float.npz")
    assert (shown["expected_mismatches"], shown["max_error"]) == (None, 0.5)
    assert run("simulate", shop / "design", "--vectors", "float.npz") == 0
    assert "largest error against y 0.5" in capsys.readouterr().out


def rehash(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    for name in manifest["files"]:
        manifest["files"][name] = sha256_of_bytes((folder / name).read_bytes())
    (folder / MANIFEST).write_text(json.dumps(manifest))


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
    assert run(*arguments) == 2
    assert "was changed after it was generated" in capsys.readouterr().err
    assert not (here / "sim.json").exists()
    rehash(here / "design")
    shown = run_json(capsys, *arguments, status=1)
    assert shown["passed"] is False and shown["mismatches"] > 0
    assert shown["problems"][0].startswith(f"{shown['mismatches']} output codes differ from the")
    assert json.loads((here / "sim.json").read_text()) == shown
    assert run(*arguments) == 1
    assert capsys.readouterr().out.startswith("FAILED: 256 vectors on ")


def test_published_network(shared_folder, here, capsys):
    folder = shared_folder / "peers" / "kanele" / "wine"
    run_json(capsys, "generate", folder, "--out", "wine")
    shown = run_json(capsys, "simulate", "wine", "--vectors", folder / "vectors.npz")
    assert (shown["vectors"], shown["mismatches"], shown["expected_mismatches"]) == (2000, 0, 0)


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
