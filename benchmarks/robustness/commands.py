"""Commands that work, and what each makes: signals come into the midst of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMANDS", "Command"]


@dataclass(frozen=True)
class Command:
    """A command, what it makes, and what tells that this is whole."""

    words: tuple[str, ...]
    makes: tuple[str, ...] = ()


COMMANDS: dict[str, Command] = {
    "quantize": Command(
        ("quantize", "model.pt", "--calibration", "data.npz", "--out", "out.safetensors"),
        ("out.safetensors",),
    ),
    "train": Command(
        ("train", "model.pt", "--data", "data.npz", "--epochs", "20", "--out", "out.safetensors"),
        ("out.safetensors",),
    ),
    "sensitivity": Command(("sensitivity", "model.pt", "--calibration", "data.npz")),
    "allocate": Command(
        ("allocate", "model.pt", "--calibration", "data.npz", "--budget", "bits=900",
         "--choices", "2,4", "--out", "out.safetensors"),
        ("out.safetensors",),
    ),
    "generate": Command(("generate", "program.safetensors", "--out", "out"), ("out",)),
    "simulate cocotb": Command(
        ("simulate", "design", "--vectors", "data.npz", "--engine", "cocotb", "--out", "out.json",
         "--waves", "out"),
        ("out.json", "out.fst", "out.vcd"),
    ),
    "simulate fast": Command(
        ("simulate", "design", "--vectors", "data.npz", "--engine", "fast", "--outputs", "y.npz"),
        ("y.npz",),
    ),
    "simulate bare": Command(
        ("simulate", "bare", "--vectors", "data.npz", "--engine", "cocotb", "--out", "out.json"),
        ("out.json",),
    ),
    "generate hls": Command(
        ("generate", "program.safetensors", "--backend", "hls", "--out", "out"), ("out",)
    ),
    "simulate hls": Command(
        ("simulate", "hls", "--vectors", "data.npz", "--out", "out.json"), ("out.json",)
    ),
    "estimate power": Command(
        ("estimate", "design", "--target", "ice40", "--power", "--clock-mhz", "20",
         "--vectors", "data.npz", "--out", "out.json"),
        ("out.json",),
    ),
    "fits": Command(("fits", "program.safetensors")),
    "build project": Command(
        ("build", "program.safetensors", "--board", "icebreaker", "--project", "--out", "out"),
        ("out",),
    ),
    "build": Command(
        ("build", "program.safetensors", "--board", "icebreaker", "--schedule", "folded",
         "--out", "out"),
        ("out",),
    ),
    "estimate": Command(
        ("estimate", "design", "--target", "ecp5", "--out", "out.json"), ("out.json",)
    ),
    "report": Command(
        ("report", "design", "--model", "model.pt", "--data", "data.npz", "--out", "out.html"),
        ("out.html",),
    ),
    "demo": Command(("demo", "--out", "demo"), ("demo",)),
}  # fmt: skip
