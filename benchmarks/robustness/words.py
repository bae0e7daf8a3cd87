"""Words of a command line: texts, numbers and paths that no command expects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.robustness.altered import copies
from benchmarks.robustness.material import Material
from benchmarks.robustness.trials import Trial

__all__ = ["strange_words"]

TEXTS = (
    "", " ", "-", "--", "-1", "0", "1e400", "nan", "inf", "9" * 5000, "1,2,,3", "=", "a=", "=b",
    "\x1b[31m", "\r\n", "\x7f", "\udcff\udcfe", "é\u202e", "a" * 100_000, "../../etc", "/", "~",
    "%s",
    "{0}", "$(id)", "'; --", "\\", "[" * 5000, '{"a":' * 2000, "true", "None", "[1]", "design",
    "data.npz", "model.pt", "q8.8", "u12:0..4095=-10..50", "s16:", "layers.0=2", "lut=1", "*",
    "{cycle}", "clock_ns=0", "part=x", "12", "auto", "icebreaker", "/dev/tty", "/dev/null", "build",
    "hls",
)  # fmt: skip
OPTIONS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("quantize", "model.pt", "--calibration", "data.npz", "--out", "out"): (
        "--calibration", "--activation-bits", "--spline-bits", "--layer", "--option", "--ignore",
        "--input-mean", "--input-std", "--output-mean", "--output-std", "--input-names",
        "--output-units", "--input-bits", "--realisation", "--method", "--table-bits", "--nothing",
    ),
    ("generate", "program.safetensors", "--out", "out"): (
        "--schedule", "--parallel-inputs", "--parallel-outputs", "--adder-levels", "--fabric",
        "--input-format", "--output-format", "--backend", "--backend-option", "--name",
        "--testbench", "--interface", "--option", "--nothing",
    ),
    ("report", "design", "--out", "out.html"): (
        "--title", "--date", "--model", "--data", "--outputs", "--simulation", "--estimate",
        "--option", "--nothing",
    ),
    ("sensitivity", "model.pt", "--calibration", "data.npz", "--bits", "2"): (
        "--bits", "--held-out", "--seed", "--option", "--layer",
        "--rest", "--branches",
    ),
    (
        "allocate", "model.pt", "--calibration", "data.npz", "--budget", "bits=900",
        "--choices", "2,4", "--out", "out",
    ): (
        "--budget", "--choices", "--seed", "--held-out", "--criterion",
    ),
    ("train", "model.pt", "--data", "data.npz", "--out", "out", "--epochs", "1"): (
        "--epochs", "--learning-rate", "--batch-size", "--seed", "--targets", "--patience",
        "--validation", "--data",
    ),
    ("simulate", "design", "--vectors", "data.npz", "--engine", "nothing"): (
        "--vectors", "--seed", "--simulator", "--waves", "--out", "--outputs", "--netlist",
    ),
    ("estimate", "nowhere"): ("--target", "--seeds", "--out"),
    ("estimate", "design", "--power", "--clock-mhz", "20", "--target", "nowhere"): (
        "--clock-mhz", "--toggle-rate", "--part", "--vectors", "--seeds", "--board", "--target",
    ),
    ("boards",): ("--json", "--nothing"),
    ("fits", "program.safetensors"): ("--argmax", "--nothing", "--board"),
    ("build", "program.safetensors", "--board", "icestick", "--project", "--out", "out"): (
        "--board", "--clock", "--baud", "--schedule", "--seed", "--out", "--nothing",
    ),
    ("program", "build"): ("--nothing", "--json"),
    ("run", "data.npz", "--port", "/dev/null", "--build", "build"): (
        "--port", "--build", "--baud", "--self-test", "--nothing",
    ),
    ("generate", "program.safetensors", "--backend", "hls", "--out", "out"): (
        "--backend-option", "--backend", "--name", "--interface", "--testbench", "--nothing",
    ),
    ("simulate", "hls", "--vectors", "data.npz", "--engine", "fast"): (
        "--vectors", "--seed", "--waves", "--outputs", "--netlist", "--simulator",
    ),
    ("demo", "--board", "nowhere", "--out", "out"): ("--board", "--port", "--seed", "--out"),
}  # fmt: skip


def strange_words(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """An option with a text that it may not have, or the network named by one."""
    commands = list(OPTIONS)
    while True:
        words = list(commands[int(rng.integers(len(commands)))])
        text = TEXTS[int(rng.integers(len(TEXTS)))]
        options = OPTIONS[tuple(words)]
        if rng.random() < 0.15 and len(words) > 1:
            place = 1
            words[place] = text
            told = f"{words[0]} {text!r:.40}"
        else:
            option = options[int(rng.integers(len(options)))]
            words.append(f"{option}={text}")
            told = f"{words[0]} {option}={text!r:.40}"

        def prepare(folder: Path) -> None:
            copies(material, folder)

        # What is named by an option may be written, whatever its name is.
        makes = ("out", "out.html", text.split("/")[0], f"{text}.vcd", f"{text}.fst")
        yield Trial("words", told, words, prepare, makes=makes)
