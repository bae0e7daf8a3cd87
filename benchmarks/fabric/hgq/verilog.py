"""Networks of HGQ2 as Verilog, written by alkaid, and what synthesis makes of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kanhw.estimation import estimate_verilog
from kanhw.formats import FloatArray
from kanhw.interruption import temporary_folder
from kanhw.tools.simulators import find_verilator

__all__ = ["compiled", "synthesised", "verilator_on_path"]

STAGES = 4


def compiled(model: Any, calibration: FloatArray) -> Any:
    """A trained network as alkaid's graph of tables and adders."""
    from alkaid.converter import trace_model
    from alkaid.trace import HWConfig, trace
    from hgq.utils import trace_minmax

    # Codes that wrap have the integer bits that training rows need.
    trace_minmax(model, calibration.astype(np.float32), verbose=0)
    return trace(*trace_model(model, HWConfig(1, 1, -1), {"hard_dc": 2}, False))


def synthesised(graph: Any, x: FloatArray, expected: FloatArray, folder: Path) -> tuple[int, int]:
    """LUTs and flip-flops of alkaid's Verilog; every row simulated.

    Raises
    ------
    SystemExit
        If a simulated row differs from Keras.
    """
    from alkaid.codegen import RTLModel

    design = RTLModel(graph, folder, "model", flavor="verilog", n_stages=STAGES)
    with verilator_on_path():
        design.compile(nproc=1, openmp=False)
    if not np.array_equal(design.predict(x).reshape(expected.shape), expected):
        sys.exit("HGQ2: the simulated Verilog is not what Keras computes")
    sources = [path for path in (folder / "src").rglob("*.v") if "wrapper" not in path.name]
    whole = folder / "whole.v"
    whole.write_text("".join(path.read_text(encoding="utf-8") for path in sorted(sources)))
    found = estimate_verilog(whole, "model", "xcup")
    return found.lut, found.ff


@contextmanager
def verilator_on_path() -> Iterator[None]:
    """For alkaid, which looks there for one that tells its version as releases do."""
    found = find_verilator()
    environment = found.process_environment()
    before = dict(os.environ)
    with temporary_folder("kanhw-benchmark-") as folder:
        script = folder / "verilator"
        major, minor, *_ = str(found.version).split(".")
        script.write_text(
            "#!/bin/sh\n"
            f'[ "$*" = --version ] && echo "Verilator {major}.{int(minor):03}" && exit\n'
            f'exec "{shutil.which("verilator", path=environment["PATH"])}" "$@"\n'
        )
        script.chmod(0o700)
        os.environ.update(environment, PATH=f"{folder}{os.pathsep}{environment['PATH']}")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
