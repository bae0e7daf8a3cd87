"""The comparison with HGQ2 as it is started: what is missing, and what is kept."""

import argparse
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from benchmarks.common import data
from benchmarks.common.kept import kept_rows
from benchmarks.fabric.hgq import __main__ as hgq
from benchmarks.fabric.hgq.rows import Row


def test_without_the_packages_it_is_skipped(monkeypatch, capsys, tmp_path):
    def version(name):
        if name == "jax":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(hgq, "version", version)
    monkeypatch.setattr(sys, "argv", ["hgq", "--out", str(tmp_path)])
    assert hgq.main() == 0
    assert "skipped: jax not installed" in capsys.readouterr().out


def test_rows_that_are_kept_are_not_measured_again(monkeypatch, tmp_path):
    asked = []

    def side(given, options, known):
        asked.append(list(known))
        for seed in {0, 1} - set(known):
            yield [Row(given.name, "kanhw", seed, 100.0, 90.0, 0.9, 0.9, 100, 80, 90, "{}")]

    monkeypatch.setitem(hgq.SIDES, "kanhw", side)
    options = argparse.Namespace(keep=tmp_path / "rows")
    first = hgq.rows_of_side("kanhw", data.wine(), options, "{}")
    again = hgq.rows_of_side("kanhw", data.wine(), options, "{}")
    assert first == again and asked == [[], [0, 1]]
    assert [Row(**own) for own in kept_rows(options.keep)] == first
    with pytest.raises(SystemExit, match="holds kanhw on wine with other settings"):
        hgq.rows_of_side("kanhw", data.wine(), options, '{"epochs": 1}')
