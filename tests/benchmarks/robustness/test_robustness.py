"""A few cases of every class, two kills, a Program of every kind; and the harness itself.

`python -m benchmarks.robustness` has thousands.
"""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.robustness import watching
from benchmarks.robustness.cases import SOURCES
from benchmarks.robustness.commands import COMMANDS
from benchmarks.robustness.kills import kill_once
from benchmarks.robustness.material import made
from benchmarks.robustness.programs.batches import faults
from benchmarks.robustness.programs.comparison import generated
from benchmarks.robustness.programs.head_log import HeadLog
from benchmarks.robustness.programs.heads import attack, built
from benchmarks.robustness.programs.kinds import KINDS
from benchmarks.robustness.trials import BAD, Trial, attempt, verdict_of
from benchmarks.robustness.watching import family, seconds_of


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    return made(folder)


@pytest.mark.some(3)
@pytest.mark.parametrize("source", [source for source, _ in SOURCES], ids=lambda s: s.__name__)
def test_a_few_of_every_class(source, material, tmp_path):
    trials = source(material, np.random.default_rng(7))
    for _ in range(2):
        trial = next(trials)
        outcome = attempt(trial, tmp_path)
        assert outcome.verdict not in BAD, (trial.name, outcome)


@pytest.mark.parametrize(
    ("status", "text", "new", "verdict"),
    [
        (0, "", {"out"}, "accepted"),
        (0, "", {"out", "more"}, "leftover"),
        (2, "kanhw: error: no", set(), "refused"),
        (2, "kanhw: error: no", {"out"}, "unclean"),
        (2, "kanhw: error: no\nand more", set(), "unclean"),
        (2, "kanhw: error: 3 (a.py:1): look at the values that you gave", set(), "unclean"),
        (2, "kanhw: error: \x1b[2J", set(), "unclean"),
        (2, "kanhw: error: no", {".kanhw-1.partial"}, "leftover"),
        (3, "Traceback (most recent call last):", set(), "traceback"),
        (-11, "", set(), "traceback"),
        (None, "", set(), "hang"),
    ],
)
def test_verdicts(status, text, new, verdict):
    trial = Trial("group", "name", ())
    assert verdict_of(trial, status, text, new, {}) == verdict
    refusing = Trial("group", "name", (), must_refuse=True)
    expected = "wrong" if verdict == "accepted" else verdict
    assert verdict_of(refusing, status, text, new, {}) == expected


@pytest.mark.parametrize("what", ["waits", "computes"])
def test_a_trial_that_hangs_is_ended(what, material, tmp_path, monkeypatch):
    def never_end(*_, **__):
        while what == "computes":
            pass
        signal.pause()

    monkeypatch.setattr("benchmarks.robustness.trials.SECONDS", 0.2)
    monkeypatch.setattr(watching, "IDLE", 0.5 if what == "waits" else 600)
    monkeypatch.setattr("kanhw.flow.generation.generate", never_end)
    trial = Trial(
        "hang",
        f"a command that {what}",
        ("generate", "program.safetensors", "--out", "out"),
        lambda folder: shutil.copytree(material.folder, folder, dirs_exist_ok=True),
    )
    assert attempt(trial, tmp_path).verdict == "hang"


def test_seconds_are_those_of_all_that_a_process_started():
    code = "import os, sys, time\nwhile time.process_time() < 0.2: pass\nprint(1, flush=True)"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}]); input()"
    with subprocess.Popen(
        [sys.executable, "-c", inner], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        assert process.pid in family(process.pid)
        assert 0.19 < seconds_of(process.pid) < 10
        process.communicate(b"\n")
    assert seconds_of(process.pid) == 0


@pytest.mark.wide
@pytest.mark.parametrize(
    ("name", "number", "moment"),
    [("generate", signal.SIGTERM, 1.5), ("estimate", signal.SIGHUP, 2.0)],
)
def test_a_signal_leaves_nothing(name, number, moment, material, tmp_path):
    assert kill_once(material, COMMANDS[name], number, moment, tmp_path).wrong == ()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
def test_programs_in_one_simulation(tmp_path):
    """Every kind that takes a moment; of a changed expectation, the one design is named."""
    kinds = ("edge_table", "product", "layer_norm", "pooling")
    designs = [generated(kind, 5, k, tmp_path)[0] for k, kind in enumerate(kinds)]
    assert faults(designs, tmp_path) == {}
    words = designs[2].path / "expected.hex"
    first, rest = words.read_text().split("\n", 1)
    words.write_text(f"{int(first, 16) ^ 1:x}\n{rest}")
    told = faults(designs, tmp_path)
    assert list(told) == ["p2"] and told["p2"].startswith("FAIL: p2, ")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.slow
def test_a_program_of_every_kind(tmp_path):
    designs = [generated(kind, 5, k, tmp_path)[0] for k, kind in enumerate(KINDS)]
    assert faults(designs, tmp_path) == {}


@pytest.mark.slow
def test_heads_written_beside_a_stream(tmp_path, monkeypatch):
    """Every vector by its head as it was; one that the model gives too early is seen."""
    design, simulation = built(np.random.default_rng(3), tmp_path)
    found = attack(design, simulation, 1, tmp_path, resets=60)
    assert found.wrong == []
    assert min(found.counts[each] for each in ("vectors", "commits", "while busy", "resets")) > 3
    golden = HeadLog.golden

    def early(log, vector, version):
        return golden(log, vector, min(version + 1, 40))

    monkeypatch.setattr(HeadLog, "golden", early)
    assert " gave " in attack(design, simulation, 1, tmp_path, resets=60).wrong[0]
