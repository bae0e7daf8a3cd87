"""Trials of every class, run one by one and counted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.common.measuring import Table
from benchmarks.robustness.altered import (
    altered_bytes,
    altered_json,
    altered_manifests,
    copies,
)
from benchmarks.robustness.data import strange_data, strange_tensors
from benchmarks.robustness.material import Material, made
from benchmarks.robustness.places import full_disk, ordinary_user, strange_places
from benchmarks.robustness.trials import BAD, VERDICTS, Trial, attempt
from benchmarks.robustness.warm import imported
from benchmarks.robustness.words import strange_words

__all__ = ["SOURCES", "print_cases", "run_cases"]

Source = Callable[[Material, np.random.Generator], Iterator[Trial]]
# What trials import.
COMMANDS = (
    ("quantize", "model.pt", "--calibration", "data.npz", "--out", "a"),
    ("quantize", "neutral.npz", "--calibration", "data.csv", "--out", "b"),
    ("generate", "kanele", "--testbench", "--out", "c"),
    ("generate", "a", "--backend", "hls", "--out", "d"),
    ("sensitivity", "model.pt", "--calibration", "data.npz", "--bits", "2"),
    ("allocate", "model.pt", "--calibration", "data.npz", "--budget", "bits=900",
     "--choices", "2,4", "--out", "e"),
    ("train", "model.pt", "--data", "data.npz", "--epochs", "1", "--out", "f"),
    ("quantize", "fast.pt", "--calibration", "data.npz", "--out", "k"),
    ("quantize", "py", "--out", "l"),
    ("report", "design", "--model", "model.pt", "--data", "data.npz", "--simulation",
     "simulation.json", "--estimate", "estimate.json", "--out", "g"),
)  # fmt: skip
# A share of all cases for every class.
SOURCES: tuple[tuple[Source, float], ...] = (
    (altered_bytes, 0.2),
    (altered_json, 0.25),
    (altered_manifests, 0.15),
    (strange_tensors, 0.12),
    (strange_data, 0.08),
    (strange_places, 0.08),
    (strange_words, 0.12),
)



def run_cases(count: int, seed: int, scratch: Path) -> tuple[dict[str, Counter[str]], list[str]]:
    """So many cases of all classes: verdicts by class, and what went wrong."""
    folder = scratch / "material"
    folder.mkdir()
    material = made(folder)
    warming = scratch / "warm"
    copies(material, warming)
    imported(warming, COMMANDS)
    verdicts: dict[str, Counter[str]] = {}
    wrong = []
    for trial in _trials(material, count, seed, scratch):
        outcome = attempt(trial, scratch / "trial")
        verdicts.setdefault(trial.group, Counter())[outcome.verdict] += 1
        if outcome.verdict in BAD:
            last = outcome.text.strip()[-300:]
            wrong.append(f"{outcome.verdict}: {trial.group}: {trial.name}: {last!r}")
            print(wrong[-1], file=sys.stderr, flush=True)
    return verdicts, wrong


def _trials(material: Material, count: int, seed: int, scratch: Path) -> Iterator[Trial]:
    for number, (source, share) in enumerate(SOURCES):
        trials = source(material, np.random.default_rng([seed, number]))
        yield from islice(trials, max(round(share * count), 1))
    yield from full_disk(material, scratch)
    yield from ordinary_user(material, scratch)


def print_cases(verdicts: dict[str, Counter[str]]) -> None:
    """A row for each class, and their sum."""
    table = Table(["class", "cases", *VERDICTS], [16])
    total: Counter[str] = Counter()
    for group, counts in verdicts.items():
        total += counts
        table.add(group, counts.total(), *(counts[each] for each in VERDICTS))
    table.add("all", total.total(), *(total[each] for each in VERDICTS))
