"""The comparison with HGQ2: what is chosen and shown, without its packages."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from benchmarks.fabric import hgq
from kanhw.errors import ToolNotFound
from kanhw.tools.simulators import find_verilator


def row(tool="HGQ2", seed=0, at_most=300.0, test=0.9, portable=200, tuned=None):
    return hgq.Row(tool, seed, at_most, 250.0, 0.91, test, portable, tuned, 100)


def test_the_best_by_validation_of_those_that_are_cheap_enough():
    kept = [hgq.Kept(cost, value, []) for cost, value in ((90, 0.8), (100, 0.9), (200, 0.9))]
    kept.append(hgq.Kept(300, 0.95, []))
    assert hgq.best_at(kept, 250).cost == 100
    assert hgq.best_at(kept, 300).cost == 300
    assert hgq.best_at(kept, 80) is None


def test_means_over_seeds_and_what_a_side_has_not(capsys):
    rows = [row(), row(seed=1, test=0.92, portable=210), row("kanhw", tuned=150)]
    hgq.show(rows, 2)
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        *("HGQ2", "300", "2/2", "250", "91.00 (0.00)", "91.00 (1.41)", "205 (7)", "-", "100")
    ]
    assert "150 (nan)" in second


def test_a_plot_of_both(tmp_path):
    rows = [row(), row(at_most=200.0, portable=150), row("kanhw"), row("kanhw", at_most=100.0)]
    hgq.plot(rows, tmp_path / "both.svg")
    text = (tmp_path / "both.svg").read_text()
    assert "kanhw" in text and "HGQ2" in text


def test_without_the_packages_it_is_skipped(monkeypatch, capsys, tmp_path):
    def version(name):
        if name == "jax":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(hgq, "version", version)
    monkeypatch.setattr(sys, "argv", ["hgq", "--out", str(tmp_path)])
    assert hgq.main() == 0
    assert "skipped: jax not installed" in capsys.readouterr().out


def test_a_verilator_on_path_that_tells_its_version():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    with hgq.verilator_on_path():
        told = subprocess.run(
            ["verilator", "--version"], capture_output=True, text=True, check=True
        )
        helps = subprocess.run(["verilator", "--help"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("Verilator 5.") and "--lint-only" in helps.stdout
