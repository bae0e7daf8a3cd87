"""Every kind of bad input is one line, and leaves nothing behind."""

import re

import pytest
from commands import (
    ESTIMATE,
    GENERATE,
    QUANTIZE,
    REPORT,
    SIMULATE,
    but,
    calibrations,
    listing,
    models,
    run,
    vectors,
)

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
            "model.onnx": SAVE_STATE,
            "real": r"real is a design that 'kanhw generate' made",
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
            "nan.npz": r"NaN or infinity \(first in row 0, column 0\): remove or fill those rows",
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
            ("wings", "a\r\nb\n", r"unrecognized arguments: --wings a\\r b"),
        )
    ),
    *(
        (but(QUANTIZE, 5, place), line)
        for place, line in (
            ("missing/out", r"missing/out cannot be written: choose a folder that exists"),
            ("{shop}/model.pt/out", r"model\.pt/out cannot be written: choose a folder"),
            ("/proc/out", r"/proc/out is an open file of a process"),
            ("{shop}/real", r"real is a folder, not a file: name one to"),
            ("/dev/null", r"/dev/null is a device, not a file: name one"),
            ("", r"\. is a folder, not a file: name one to write"),
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
            ("{shop}/changed", r"changed already holds something else \(.*\): remove it, or name"),
            ("{shop}/kanele", r"kanele already holds something else"),
            ("{shop}/model.pt", r"model\.pt is a file: name a folder that does not exist yet"),
            ("{shop}/model.pt/out", r"model\.pt/out cannot be written .*: choose a place"),
            ("/proc/out", r"/proc/out is an open file of a process: name a folder"),
            (".", r"\. is the folder that you are in: name another"),
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
    ((*SIMULATE, "--waves", "missing/w"), r"missing/w cannot be written: choose a"),
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
    ((*REPORT, "--simulation", "{shop}/list.json"), r"must hold a JSON object, not \[\]"),
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
