"""Places of output: links, pipes, sockets, devices by link, read-only folders, a full disk."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.robustness.altered import copies
from benchmarks.robustness.material import Material
from benchmarks.robustness.trials import Trial

__all__ = ["full_disk", "ordinary_user", "strange_places"]

NOBODY = 65534

COMMANDS: dict[str, tuple[str, ...]] = {
    "quantize": ("quantize", "model.pt", "--calibration", "data.npz", "--out"),
    "generate": ("generate", "program.safetensors", "--out"),
    "report": ("report", "design", "--out"),
    "allocate": (
        "allocate", "model.pt", "--calibration", "data.npz", "--budget", "bits=900",
        "--choices", "2,4", "--out",
    ),
    "hls": ("generate", "program.safetensors", "--backend", "hls", "--out"),
    "build": ("build", "program.safetensors", "--board", "icebreaker", "--project", "--out"),
}  # fmt: skip


def _socket(place: Path) -> None:
    # The path of a socket is short: it is bound by its name alone.
    here = Path.cwd()
    os.chdir(place.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(place.name)
    finally:
        os.chdir(here)


def _link(target: str) -> Callable[[Path], None]:
    return lambda place: place.symlink_to(target)


# What is at the place, and whether a file, and a folder, can be made there.
PLACES: dict[str, tuple[Callable[[Path], object], bool, bool]] = {
    "nothing": (lambda place: None, True, True),
    "link to nothing": (_link("target"), True, True),
    "link to a link": (lambda p: (p.symlink_to("second"), _link("target")(p.parent / "second")),
                       True, True),
    "link to itself": (_link("out"), False, False),
    "link to a missing folder": (_link("no/where"), False, True),
    "link to /dev/null": (_link("/dev/null"), False, False),
    "link to standard output": (_link("/proc/self/fd/1"), False, False),
    "link to an open file": (_link("/proc/self/fd/2"), False, False),
    "pipe": (os.mkfifo, False, False),
    "link to a pipe": (lambda p: (os.mkfifo(p.parent / "target"), p.symlink_to("target")),
                       False, False),
    "socket": (_socket, False, False),
    "folder": (lambda place: place.mkdir(), False, True),
    "folder of others": (lambda p: (p.mkdir(), (p / "notes").write_text("mine")), False, False),
    "file of others": (lambda place: place.write_text("mine"), False, False),
    "empty file": (lambda place: place.write_text(""), True, False),
    "link to an input": (_link("data.npz"), False, False),
}  # fmt: skip
NAMES = ("out", "o ut", "o'u\"t", "-o", "öut", "o\nut", "o\x1bt", "\udcff", "n" * 255,
         "n" * 256, "")


def strange_places(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """Every command with something at the place that it is to write."""
    while True:
        command = str(rng.choice(list(COMMANDS)))
        kind = str(rng.choice(list(PLACES)))
        make, as_file, as_folder = PLACES[kind]
        fits = as_folder if command in ("generate", "hls", "build") else as_file
        name = NAMES[int(rng.integers(len(NAMES)))] if kind == "nothing" else "out"
        fits = fits and name not in ("", "n" * 256)

        def prepare(folder: Path, make: Callable[[Path], object] = make) -> None:
            copies(material, folder)
            make(folder / "out")

        option = (f"--out={name}",)
        words = (*COMMANDS[command][:-1], *option)
        yield Trial(
            "places",
            f"{command} {kind} {name!r:.20}",
            words,
            prepare,
            makes=(name, "target", "second", "no"),
            must_refuse=not fits,
        )


def full_disk(material: Material, scratch: Path) -> Iterator[Trial]:
    """Every command that writes, to a disk of 64 kB that is full; none where none is mounted."""
    disk = scratch / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        disk.rmdir()
        return
    try:
        with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for name, words in COMMANDS.items():
            before = sorted(disk.iterdir())
            yield Trial(
                "full disk",
                name,
                (*words[:-1], f"--out={disk / 'out'}"),
                lambda folder: copies(material, folder),
                must_refuse=True,
            )
            if sorted(disk.iterdir()) != before:
                raise RuntimeError(f"{name} left {sorted(disk.iterdir())} on the full disk")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


def ordinary_user(material: Material, scratch: Path) -> Iterator[Trial]:
    """Every command that writes, as nobody, into a folder that is read-only; none but for root."""
    if os.getuid() != 0:
        return
    for place in (scratch, material.folder, *material.folder.rglob("*")):
        place.chmod(place.stat().st_mode | (0o055 if place.is_dir() else 0o044))

    def prepare(folder: Path) -> None:
        copies(material, folder)
        folder.parent.chmod(0o755)
        folder.chmod(0o555)

    for name, words in COMMANDS.items():
        words = (*words[:-1], "--out=out")
        yield Trial("read-only", name, words, prepare, must_refuse=True, user=NOBODY)
