"""A few cases of every class, two kills, a Program of every kind; and the harness itself.

`python benchmarks/robustness.py` has thousands.
"""

import shutil
import signal

import numpy as np
import pytest

pytest.importorskip("torch")

from kills import COMMANDS, kill_once
from material import made
from programs import KINDS, compare, random_program
from robustness import SOURCES
from trials import BAD, Trial, attempt, verdict_of

from kanhw.schedule.schedule import Schedule


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    return made(folder)


@pytest.mark.parametrize("source", [source for source, _ in SOURCES], ids=lambda s: s.__name__)
def test_a_few_of_every_class(source, material, tmp_path):
    trials = source(material, np.random.default_rng(7))
    for _ in range(3):
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


def test_a_trial_that_hangs_is_ended(material, tmp_path, monkeypatch):
    def wait_for_nobody(*_, **__):
        signal.pause()

    monkeypatch.setattr("trials.SECONDS", 0.5)
    monkeypatch.setattr("kanhw.flow.generation.generate", wait_for_nobody)
    trial = Trial(
        "hang",
        "a command that waits",
        ("generate", "program.safetensors", "--out", "out"),
        lambda folder: shutil.copytree(material.folder, folder, dirs_exist_ok=True),
    )
    assert attempt(trial, tmp_path).verdict == "hang"


@pytest.mark.parametrize(
    ("name", "number", "delay"),
    [("generate", signal.SIGTERM, 1.5), ("estimate", signal.SIGHUP, 2.0)],
)
def test_a_signal_leaves_nothing(name, number, delay, material, tmp_path):
    assert kill_once(material, COMMANDS[name], number, delay, tmp_path).wrong == ()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_program_of_every_kind(kind, tmp_path):
    program, _ = random_program(kind, np.random.default_rng(5))
    assert compare(program, Schedule(kind="folded"), tmp_path / "design") == ""
