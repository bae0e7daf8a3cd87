"""Result tables: what is written is what was added."""

import math
import sys
from pathlib import Path

import pytest

from benchmarks.common import results

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def table():
    made = results.ResultTable("bits", ["network", "bits", "accuracy (%)", "loss"], "What it is.")
    made.add("KAN, 64-16-10", 8, results.average([97.0, 97.5, 96.5]), 0.123456789)
    made.add("FastKAN", 16, results.average([95.0]), 10.0)
    return made


def test_what_is_written_is_what_was_added(table, tmp_path, capsys):
    markdown, comma_separated = table.write(tmp_path / "out")
    assert results.read_rows(comma_separated) == [
        {
            "network": "KAN, 64-16-10",
            "bits": "8",
            "accuracy (%)": "97.00 ± 0.50",
            "loss": "0.123456789",
        },
        {"network": "FastKAN", "bits": "16", "accuracy (%)": "95.00", "loss": "10.0"},
    ]
    text = markdown.read_text(encoding="utf-8")
    assert text.startswith("What it is.\n\n    python ")
    assert text.split("\n\n")[2].startswith("kanhw ")
    assert text.endswith(
        "| network       | bits | accuracy (%) | loss  |\n"
        "|---------------|------|--------------|-------|\n"
        "| KAN, 64-16-10 |    8 | 97.00 ± 0.50 |  0.12 |\n"
        "| FastKAN       |   16 | 95.00        | 10.00 |\n"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bits.csv", "bits.md"]


def test_rows_are_printed_as_they_come(table, capsys):
    table.add("KAGN", 4, 1, 2.0)
    assert capsys.readouterr().out == "| KAGN    |    4 |            1 | 2.00 |\n"


def test_a_table_that_cannot_be_written_leaves_the_old_one(table, tmp_path, monkeypatch):
    table.write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    table.add("KAGN", 4, 1, 2.0)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(Exception, match="full"):
        table.write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_row_of_another_length_is_refused(table):
    with pytest.raises(ValueError, match="bits has 4 columns"):
        table.add("KAGN", 4)
    assert len(table.rows) == 2


def test_averages():
    assert str(results.average([97.31, 96.91, 97.11])) == "97.11 ± 0.20"
    one = results.average([3.0])
    assert (one.mean, one.count, str(one)) == (3.0, 1, "3.00")
    assert math.isnan(one.deviation)
    with pytest.raises(ValueError, match="nothing to average"):
        results.average([])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ""),
        (["--seeds", "0", "1", "--out", "elsewhere", "--quick"], " --seeds 0 1 --quick"),
        (["--out=elsewhere", "--note", "two words"], " --note 'two words'"),
    ],
)
def test_the_command_line_names_no_machine(given, kept, monkeypatch):
    script = REPOSITORY / "benchmarks" / "common" / "networks.py"
    monkeypatch.setattr(sys, "argv", [str(script), *given])
    assert results.command_line() == f"python -m benchmarks.common.networks{kept}"
