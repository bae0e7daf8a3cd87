"""What people type wrongly, and the line that says what to do. Bad files are in test_bad_input."""

import re
import shlex

import numpy as np
import pytest
import torch
from commands import listing, run

from kanhw.layers import KAN


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder as a user has it: a checkpoint, data of every kind, a Program and a design."""
    folder = tmp_path_factory.mktemp("desk")
    torch.manual_seed(0)
    torch.save(KAN([3, 2, 2]).state_dict(), folder / "model.pt")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (120, 3))
    y, labels = np.stack([x.sum(axis=1), x[:, 0]], axis=1), rng.integers(0, 2, 120)
    gap, unfilled = x.copy(), y.copy()
    gap[3, 1] = unfilled[0, 0] = np.nan
    arrays = {
        "train": {"x": x, "y": y},
        "turned": {"x": x.T},
        "narrow": {"x": x[:, :2]},
        "gap": {"x": gap, "y": y},
        "capitals": {"X": x, "Y": y},
        "features": {"x": x},
        "whole": {"x": (100 * x).astype(int)},
        "one_based": {"x": x, "labels": labels + 1},
        "halves": {"x": x, "labels": labels + 0.5},
        "unfilled": {"x": x, "y": unfilled},
        "many": {"x": x, "y": np.concatenate([y, y], axis=1)},
        "short": {"x": x, "y": y[:50]},
        "single": {"x": x[:1], "y": y[:1]},
        "both": {"x": x, "y": y, "labels": labels},
    }
    for name, named in arrays.items():
        np.savez(folder / f"{name}.npz", **named)
    rows = "\n".join(",".join(map(str, row)) for row in x[:5])
    (folder / "head.csv").write_text(f"a,b,c\n{rows}")
    (folder / "text.csv").write_text(f"name,a,b,c\nprobe,{rows}")
    (folder / "ragged.csv").write_text(f"{rows}\n1,2")
    (folder / "header.csv").write_text("a,b,c\n")
    (folder / "notes.json").write_text("{}")
    (folder / "model.py").write_text("class KAN: pass\n")
    (folder / "empty").mkdir()
    command = f"quantize {folder}/model.pt --calibration {folder}/train.npz --activation-bits 4"
    names = "--input-names temperature,pressure,humidity --output-names a,b"
    assert run(*shlex.split(f"{command} {names} --out {folder}/net.program")) == 0
    assert run("generate", folder / "net.program", "--out", folder / "design") == 0
    return folder


Q = "quantize model.pt --calibration train.npz --out out"
T = "train model.pt --data train.npz --out out"
G = "generate net.program --out out"
S = "simulate design --vectors features.npz"

MISTAKES = {
    # Of commands and flags.
    "quantise model.pt": r"'quantise' .*did you mean 'quantize'\?",
    "quantize model.pt --data train.npz --out out": r"data to quantize with are --calibration",
    "quantize model.pt --out out": r"brings no calibration data: pass --calibration DATA\.npz",
    "quantize --calibration train.npz --out out": r"required: MODEL",
    "quantize model.pt --calibration train.npz": r"required: --out",
    f"{Q} --bits 8": r"bits are --activation-bits, --spline-bits and --base-bits",
    f"{Q} --realization edge_table": r"did you mean '--realisation'\?",
    f"{G} --board arty": r"pins and boards are left to your project",
    f"{G} --clock 100": r"the design has a port clk, and 'kanhw estimate --fmax'",
    f"{G} --argmax yes": r"unrecognized arguments: yes",
    "train model.pt --calibration train.npz --out out": r"required: --data",
    "simulate design": r"required: --vectors",
    "estimate design": r"arguments --target --board is required",
    "report design": r"required: --out",
    # Files and folders.
    Q.replace("model.pt", "modle.pt"): r"modle\.pt does not exist; did you mean 'model\.pt'\?",
    Q.replace("train.npz", "trian.npz"): r"trian\.npz is not a file.*did you mean 'train\.npz'\?",
    Q.replace("model.pt", "model.py"): r"text file, not a network: name the file that torch\.save",
    Q.replace("model.pt", "head.csv"): r"text file, not a network",
    Q.replace("model.pt", "train.npz"): r"it has x, y: data come second, behind the file of a net",
    Q.replace("model.pt", "design"): r"is a design that 'kanhw generate' made: give the Program",
    Q.replace("model.pt", "empty"): r"holds no network .*name the checkpoint file itself",
    Q.replace("model.pt", "net.program"): r"quantized already: give it to 'kanhw generate'",
    Q.replace("train.npz", "empty"): r"empty is not a file: data are read from an npz file",
    Q.replace("out out", "out model.pt"): r"model\.pt is read by this command, .*name another",
    Q.replace("out out", "out empty"): r"empty is a folder, not a file: name one to write",
    Q.replace("out out", "out notes.json"): r"is no Program, .*name another file, or .*--force",
    Q.replace("out out", "out no/such"): r"cannot be written: choose a folder that exists",
    G.replace("net.program", "design"): r"is a design that 'kanhw generate' made",
    G.replace("net.program", "model.pt"): r"needs integers: first 'kanhw quantize model\.pt",
    G.replace("net.program", "notes.json"): r"notes\.json is a text file, not a network",
    G.replace("out out", "out ."): r"is the folder that you are in: name another",
    S.replace("design", "net.program"): r"as it is a file: name the folder that 'kanhw generate",
    S.replace("design", "empty"): r"empty holds no design .*make one with 'kanhw generate",
    "estimate net.program --target ecp5": r"as it is a file: name the folder",
    "report design --out out --estimate train.npz": r"name what 'kanhw simulate --out' or",
    # Data.
    Q.replace("train.npz", "turned.npz"): r"\[N, 3\] .*not \[3, 120\]: transposed\? give x\.T",
    Q.replace("train.npz", "narrow.npz"): r"must have shape \[N, 3\] .*not \[120, 2\]",
    Q.replace("train.npz", "gap.npz"): r"NaN or infinity \(first in row 3, column 1\): remove",
    Q.replace("train.npz", "capitals.npz"): r"no array 'x' \(it has X, Y\): write it with numpy",
    Q.replace("train.npz", "text.csv"): r"text\.csv: line 2: 'probe' is no number",
    Q.replace("train.npz", "ragged.csv"): r"ragged\.csv: line 6 has 2 columns, and the first 3",
    Q.replace("train.npz", "header.csv"): r"has a header and no rows",
    T.replace("train.npz", "one_based.npz"): r"classes 1 to 2, .*start at 1: pass y - 1",
    T.replace("train.npz", "halves.npz"): r"120 reals, .*\[N\] integers, classes 0 to 1",
    T.replace("train.npz", "unfilled.npz"): r"Targets y hold NaN or infinity: remove or fill",
    T.replace("train.npz", "many.npz"): r"shape \[120, 4\]: for 2 outputs there must be",
    T.replace("train.npz", "short.npz"): r"x has 120, y has 50",
    T.replace("train.npz", "features.npz"): r"no labels or y .*--targets NAME",
    T.replace("train.npz", "both.npz"): r"both labels and y: say which with --targets",
    T.replace("train.npz", "gap.npz"): r"got nan in sample 3, input 1: drop or fill",
    T.replace("train.npz", "single.npz"): r"2 samples or more, not 1",
    S.replace("features", "narrow"): r"'x' must have shape \[N, 3\], not \(120, 2\)",
    S.replace("features", "whole"): r"holds integers .*--codes .*--reals",
    S.replace("features", "gap"): r"holds NaN \(first at row 3, column 1\)",
    # Numbers and words.
    f"{Q} --activation-bits 0": r"activation_bits must be 1 to 16, not 0",
    f"{Q} --activation-bits 33": r"activation_bits must be 1 to 16, not 33",
    f"{Q} --spline-bits 8.5": r"--spline-bits: invalid int value: '8\.5'",
    f"{Q} --input-bits x": r"one for each feature as 6,6,4, or auto, not 'x'",
    f"{Q} --input-bits 8,8": r"reads 3 values, so there must be 3 numbers of bits, not 2",
    f"{Q} --method gtpq": r"'gtpq' .*did you mean 'gptq'\?",
    f"{Q} --method GPTQ": r"'GPTQ' .*did you mean 'gptq'\?",
    f"{Q} --percentile 0.999": r"percentile must be 50 to 100, not 0\.999: it is in percent",
    f"{Q} --layer layers.0=4": r"takes NAME\.FIELD=VALUE, as in layers\.0\.spline_bits=4",
    f"{Q} --layer layer.0.spline_bits=4": r"no layer 'layer\.0'; .*did you mean 'layers\.0'\?",
    f"{Q} --layer layers.0.spline_bit=4": r"no field of a layer; did you mean 'spline_bits'\?",
    f"{Q} --input-names a,b": r"Names of inputs must be 3, not 2",
    f"{Q} --input-names a,a,b": r"each another, not 'a'",
    f"{Q} --input-units K,Pa": r"Units of inputs must be 3 or one for all, not 2",
    f"{Q} --input-mean x_mean": r"a tensor of the checkpoint, not 'x_mean'",
    f"{Q} --input-std 0": r"input_std must be positive",
    f"{Q} --option num_layers=3": r"takes no option 'num_layers': allowed are",
    f"{T} --epochs 0": r"epochs and batch_size of at least 1",
    f"{T} --validation 20": r"share .*above 0 and below 1, not 20",
    f"{T} --activation-bits 12": r"activation_bits must be 1 to 8 in training, not 12",
    f"{T} --targets target": r"has no target \(it has x, y\)",
    "sensitivity model.pt --calibration train.npz --bits 2-4": r"as 2,3,4, not '2-4'",
    "allocate model.pt --calibration train.npz --out out --budget luts=9": r"one of unrolled_luts",
    f"{G} --input-format q8": r"'q8' is no format of codes: write qM\.N",
    f"{G} --input-format q4.12,q4.12": r"2 input formats for 3 inputs: give one for all, or one",
    f"{G} --input-format temp=q4.12": r"\(temperature, pressure, humidity\), not 'temp'",
    f"{G} --input-format temperature=q4.12": r"no input format for 'pressure': name every input",
    f"{G} --input-format u12:0..4095=50..-10": r"the values must rise with the codes",
    f"{G} --input-format u12:0..4095=250..320": r"holds 250 to 320, but .* calibrated for -",
    f"{G} --output-format q20.20": r"codes must have 1 to 32 bits, not 40",
    f"{G} --name 2kan": r"must be a letter and then letters, digits and underscores.* not '2kan'",
    f"{G} --name module": r"cannot be 'module', which Verilog or a cell has taken",
    f"{G} --schedule fold": r"Unknown schedule 'fold': .*did you mean 'folded'\?",
    f"{G} --schedule luts=1000": r"written as lut=3546,bram=147.*not 'luts=1000'",
    f"{G} --interface axi-stream": r"did you mean 'axi4-stream'\?",
    f"{G} --fabric ultrascale": r"did you mean 'ultrascale\+'\?",
    f"{G} --backend vhdl": r"Unknown back end 'vhdl': the back ends are verilog",
    f"{G} --testbench narrow.npz": r"'x' must have shape \[N, 3\], not \(120, 2\)",
    f"{S} --engine verilator": r"'verilator' \(choose from",
    f"{S} --simulator modelsim": r"Unknown simulator 'modelsim': use icarus, verilator",
    "estimate design --target ECP5": r"Unknown target 'ECP5': .*did you mean 'ecp5'\?",
    "estimate design --target ice40 --fmax": r"ecp5 only, not ice40: estimate ice40 without it",
    "report design --out out --model net.program": r"--model takes the float one",
    "report design --out out --data narrow.npz": r"must have shape \[N, 3\], not \(120, 2\)",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_mistake(typed, desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    before = listing(desk)
    assert run(*shlex.split(typed)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"kanhw( \w+)?: error: [^\n]+\n", shown.err), shown.err
    assert re.search(MISTAKES[typed], shown.err), shown.err
    assert listing(desk) == before


# What is no error may still be no good: the command succeeds, and says what to do.
WARNINGS = {
    f"{Q} --activation-bits 2": r"RMS error above 5 % .*: raise input_bits first",
    Q.replace("train", "one_based"): r"labels must be 0 to 1 .*: give labels - 1",
    Q.replace("train", "single"): r"only 1 sample: .*give at least 100",
    Q.replace("train", "whole"): r"lie outside of the first layer's grid",
    f"{G} --output-format q1.1": r"fewer than 16 codes are in use; .*more bits behind the point",
    f"{G} --input-format u12:0..4095=0.5..50": r"holds 0.5 to 50, which is \d+ % of .*saturates",
}


@pytest.mark.parametrize("typed", WARNINGS)
def test_warning(typed, desk, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    assert run(*shlex.split(typed.replace("--out out", f"--out {tmp_path}/out"))) == 0
    assert re.search(f"warning: .*{WARNINGS[typed]}", capsys.readouterr().out)
