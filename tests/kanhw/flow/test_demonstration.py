"""The demonstration, in small always and in full where slow tests run."""

import json
import sys
from functools import partial

import numpy as np
import pytest

import kanhw
from kanhw import InputError, ToolNotFound, cli
from kanhw.flow import demonstration
from kanhw.flow.demonstration import DemoSize, run_demonstration
from kanhw.sim import find_simulator
from kanhw.tools.simulators import find_verilator

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

SMALL = DemoSize(
    hidden=3, epochs=2, pruning=((60, 1), (24, 1)), images=500, targets=("ice40",)
)


@pytest.fixture(autouse=True)
def _simulator():
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))


def has_verilator():
    try:
        find_verilator()
    except ToolNotFound:
        return False
    return True


def check(folder, shown, size):
    """What every demonstration must have left behind."""
    fast = has_verilator()
    targets = {f"estimate-{target}.json" for target in size.targets}
    assert {path.name for path in folder.iterdir()} == {
        *("design", "model.pt", "outputs.npz", "program.safetensors", "report.html"),
        *("simulation-cocotb.json", "summary.json", "test.npz", "train.npz", *targets),
        *(("simulation-fast.json",) if fast else ()),
    }
    assert shown["passed"] is True
    assert shown["hardware_accuracy"] == shown["quantized_accuracy"]
    assert [check["engine"] for check in shown["checks"]] == ["cocotb", *["fast"] * fast]
    assert all(check["mismatches"] == 0 for check in shown["checks"])
    assert [estimate["target"] for estimate in shown["estimates"]] == list(size.targets)
    for estimate in shown["estimates"]:
        assert json.loads((folder / f"estimate-{estimate['target']}.json").read_text()) == estimate
    assert shown["report"] == str(folder / "report.html")
    assert "<svg" in (folder / "report.html").read_text()

    # The files take part in the verbs as any user's would.
    model, program = kanhw.load(folder / "model.pt"), kanhw.load(folder / "program.safetensors")
    assert 0 < model.active_edges <= size.pruning[-1][0]
    with np.load(folder / "test.npz") as test, np.load(folder / "outputs.npz") as outputs:
        x, labels, y = test["x"], test["labels"], outputs["y"]
    np.testing.assert_array_equal(program(program.input.encode(x))[: len(y)], y)
    assert shown["float_accuracy"] == (model(x).argmax(axis=1) == labels).mean()


@pytest.mark.slow  # .ci/wheel runs the whole one from the command line
def test_small_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demonstration, "DemoSize", lambda: SMALL)
    threads = torch.get_num_threads()
    assert cli.main(["demo", "--json", "--out", str(tmp_path / "demo")]) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and shown.out.count("\n") == 1
    assert torch.get_num_threads() == threads
    check(tmp_path / "demo", json.loads(shown.out), SMALL)


@pytest.mark.wide
@pytest.mark.parametrize("terminal", [False, True])
def test_without_verilator(tmp_path, monkeypatch, capsys, terminal):
    """Icarus alone does; a terminal gets a table, anything else plain text."""

    def missing():
        raise ToolNotFound("No Verilator: get one")

    def estimate_many(verilog, top, targets, on_done):
        on_done(None)
        return []

    tiny = partial(DemoSize, hidden=2, epochs=1, pruning=((10, 0),), images=5)
    monkeypatch.setattr(demonstration, "DemoSize", tiny)
    monkeypatch.setattr("kanhw.tools.simulators.find_verilator", missing)
    monkeypatch.setattr("kanhw.estimation.estimate_many", estimate_many)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    assert cli.main(["demo", "--seed", "3", "--out", str(tmp_path / "demo")]) == 0
    shown = capsys.readouterr()
    steps = [line.partition(" ... ")[0] for line in shown.err.splitlines()]
    assert len(steps) == len(set(steps)) == 8
    assert steps[0] == "The demo takes some three minutes on two cores."
    assert steps[5] == "left out the simulation at full speed: No Verilator: get one"
    assert shown.out.removeprefix("\x1b[1m").startswith("64-2-10 KAN on handwritten digits")
    assert ("\x1b[" in shown.out) is terminal
    assert "5 input vectors through the cocotb testbench" in shown.out
    assert shown.out.splitlines()[-1] == f"report: {tmp_path / 'demo' / 'report.html'}"
    with np.load(tmp_path / "demo" / "outputs.npz") as outputs:
        assert outputs["y"].shape == (5, 10)


@pytest.mark.wide
def test_training_is_repeatable(tmp_path):
    digits = demonstration.load_digits(0)
    with demonstration.Progress(quiet=True) as progress:
        models = [
            demonstration.trained_network(digits, tmp_path, seed, SMALL, progress)
            for seed in (0, 0, 1)
        ]
    weights = [model.layers[0].coefficients for model in models]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_missing_packages(tmp_path, monkeypatch):
    found = demonstration.importlib.util.find_spec
    for package, name in (("torch", "PyTorch"), ("sklearn", "scikit-learn")):
        monkeypatch.setattr(
            demonstration.importlib.util,
            "find_spec",
            lambda module, package=package: None if module == package else found(module),
        )
        with pytest.raises(ToolNotFound, match=rf"^The demo needs {name}: pip install 'kanhw\["):
            run_demonstration(tmp_path / "demo")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match=r"already holds something \(mine\): remove it, or name"):
        run_demonstration(tmp_path)


@pytest.mark.slow
def test_whole(tmp_path, capsys):
    assert cli.main(["demo", "--json", "--out", str(tmp_path / "demo")]) == 0
    shown = json.loads(capsys.readouterr().out)
    check(tmp_path / "demo", shown, DemoSize())
    assert shown["float_accuracy"] > 0.95 and shown["hardware_accuracy"] > 0.94
    assert shown["checks"][0]["vectors"] == 1797
