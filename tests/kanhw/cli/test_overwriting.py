"""Nothing is written over but what the same command made before, unless a user forces it."""

import json
from pathlib import Path

import pytest
from commands import GENERATE, QUANTIZE, REPORT, but, listing, run

import kanhw


def words(arguments, shop):
    return [argument.replace("{shop}", str(shop)) for argument in arguments]


def result(here, name):
    """A file as the command would have written it."""
    contents = {
        "sim": {"engine": "cocotb", "mismatches": 0, "vectors": 3},
        "est": {"target": "ecp5", "lut": 3, "recipe": "abc9"},
    }
    (here / name).write_text(json.dumps(contents[name]))
    return here / name


COMMANDS = {
    "quantize": QUANTIZE,
    "report": REPORT,
    "simulate": ("simulate", "{shop}/design", "--vectors", "{shop}/codes.npz", "--out", "out"),
    "outputs": ("simulate", "{shop}/design", "--vectors", "{shop}/codes.npz", "--outputs", "out"),
    "estimate": ("estimate", "{shop}/design", "--target", "ice40", "--out", "out"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mine", ["notes.txt", "model.pt", "train.npz", "list.json"])
def test_files_of_others_stay(command, mine, shop, here, capsys):
    content = b"my notes" if mine == "notes.txt" else (shop / mine).read_bytes()
    (here / "out").write_bytes(content)
    assert run(*words(COMMANDS[command], shop)) == 2
    error = capsys.readouterr().err
    assert "out exists and is no " in error and error.endswith("with --force\n")
    assert (here / "out").read_bytes() == content


def test_the_checkpoint_stays_whatever_is_forced(shop, here, capsys):
    (here / "net.pt").write_bytes((shop / "model.pt").read_bytes())
    before = listing(here)
    for more in ((), ("--force",)):
        arguments = but(but(QUANTIZE, 1, "net.pt"), 5, "./net.pt", *more)
        assert run(*words(arguments, shop)) == 2
        error = capsys.readouterr().err
        assert "net.pt is read by this command, which would write over it" in error
    assert listing(here) == before


def test_what_the_same_command_made_gives_way(shop, here):
    quantize, report = words(QUANTIZE, shop), words(REPORT, shop)
    for bits in ("4", "5"):
        assert run(*quantize, "--activation-bits", bits) == 0
    assert kanhw.load_program("out").input.format.width == 5
    assert run(*report) == 2  # a Program is no report
    assert run(*report, "--force") == 0
    assert run(*report) == 0
    assert run(*quantize) == 2
    assert run(*quantize, "--force") == 0
    Path("out").write_bytes(b"")  # nobody misses nothing
    assert run(*quantize) == 0


def test_results_are_known_by_what_is_in_them(here):
    from kanhw.flow import overwriting

    for name, product in (("sim", overwriting.SIMULATION), ("est", overwriting.ESTIMATE)):
        assert product.is_one(result(here, name))
    assert not overwriting.SIMULATION.is_one(here / "est")


def test_design_folders(shop, here, capsys):
    generate = words(GENERATE, shop)
    assert run(*generate) == 0
    assert run(*generate, "--adder-levels", "3") == 0
    assert kanhw.load_design("out").schedule.adder_levels == 3
    Path("out/notes.txt").write_text("mine")
    assert run(*generate) == 2
    assert "out already holds something else (notes.txt)" in capsys.readouterr().err
    assert run(*generate, "--force") == 0
    assert kanhw.load_design("out").schedule.adder_levels == 1
    assert Path("out/notes.txt").read_text() == "mine"
    Path("out/notes.txt").unlink()
    with Path("out/kan.v").open("a") as file:
        file.write("// changed\n")
    assert run(*generate) == 2
    assert "kan.v" in capsys.readouterr().err
    assert run(*generate, "--force") == 0
    assert kanhw.load_design("out").path == Path("out")
    assert sorted(path.name for path in here.iterdir()) == ["out"]
