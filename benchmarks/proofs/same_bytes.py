"""Are Programs, Verilog and reports the same bytes on every kind of machine?

    python -m benchmarks.proofs.same_bytes [--networks NAME ...] [--methods NAME ...]
                                    [--environments NAME ...] [--programs] [--json FILE]

Every reference network is quantized by every method from its checkpoint and its training data, once
in each environment: other BLAS kernels, numpy and the C library without newer vector instructions,
PyTorch likewise, one thread and two. Each is a process of its own, since all of them choose when
they start. Compared are the float outputs, Programs, Verilog (of large networks folded) and
reports; with --programs no more than Programs. Exit status 1 if any file differs from the first
environment's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.reference_networks import FASHION, NAMES, parts
from kanhw.errors import InputError
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule

__all__ = ["ENVIRONMENTS", "METHODS"]

# What chooses kernels and vector instructions; the first is the machine as it is.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "BLAS Sandybridge": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "BLAS Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "BLAS Prescott": {"OPENBLAS_CORETYPE": "Prescott"},
    "numpy baseline": {"NPY_DISABLE_CPU_FEATURES": "*"},
    "libm without FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable"},
    "torch default": {"ATEN_CPU_CAPABILITY": "default"},
    "torch avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "1 thread": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
}
# Several at once, where there is no time for each: as machines of two older kinds have them.
_OLD = ("BLAS Prescott", "numpy baseline", "libm without FMA", "torch default", "1 thread")
_MIDDLE = ("BLAS Sandybridge", "libm without FMA", "torch avx2", "2 threads")
ENVIRONMENTS |= {
    "old machine": {key: value for name in _OLD for key, value in ENVIRONMENTS[name].items()},
    "middle machine": {key: value for name in _MIDDLE for key, value in ENVIRONMENTS[name].items()},
}
BITS = ("base_bits", "spline_bits", "activation_bits", "base_table_bits", "basis_bits")
FOUR: dict[str, Any] = {**dict.fromkeys(BITS, 4), "norm_bits": 10}
TABLE: dict[str, Any] = {**FOUR, "realisation": "basis_table"}
METHODS: dict[str, dict[str, Any]] = {
    "edge_table": {"realisation": "edge_table", "activation_bits": 5, "norm_bits": 10},
    "basis_table": {**TABLE, "method": "uniform"},
    "codebook": {
        **FOUR,
        "realisation": "codebook",
        "codebook.size": 16,
        "codebook.shape_bits": 4,
        "codebook.gain_bits": 3,
        "codebook.bias_bits": 4,
    },
    "gptq": {**TABLE, "method": "gptq"},
    "gptq_joint": {**TABLE, "method": "gptq_joint"},
    "awq": {**TABLE, "method": "awq"},
    "smoothquant": {**TABLE, "method": "smoothquant"},
    "mse": {**TABLE, "activation_calibration": "mse", "weight_calibration": "mse"},
    "auto": {"activation_bits": 6},
    "zeroq": {**TABLE, "method": "zeroq", "iterations": 200},
    "spline_evaluator": {"realisation": "spline_evaluator", "activation_bits": 9},
}
# These move numbers with PyTorch for hundreds of steps: asked for by name, to show how far it goes.
TRAINED: dict[str, dict[str, Any]] = {
    "adaround": {**TABLE, "method": "adaround", "iterations": 200},
    "brecq": {**TABLE, "method": "brecq", "iterations": 200},
}
# Rows to calibrate with, of the network that has 60,000.
CALIBRATED = 1024
# Designs of more edges than this are folded: generating them unrolled takes minutes each.
UNROLLED = 200


def main() -> None:
    """Run every environment, compare, print."""
    options = _options()
    if options.child:
        print(json.dumps(hashes(options)))
        return
    print(environment_line(), flush=True)
    table = Table(["environment", "files", "differ", "seconds"], [18])
    results: dict[str, dict[str, str]] = {}
    wrong = 0
    for name in options.environments:
        start = time.perf_counter()
        results[name] = found = _run(ENVIRONMENTS[name], options)
        first = next(iter(results.values()))
        files = sorted(first.keys() | found.keys())
        differ = [file for file in files if first.get(file) != found.get(file)]
        table.add(name, len(found), len(differ), round(time.perf_counter() - start))
        for file in differ:
            print(f"  differs: {file}", flush=True)
        wrong += len(differ)
    write_results(options.json, results)
    if wrong or not next(iter(results.values())) or len(results) < 2:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES))
    known = [*METHODS, *TRAINED]
    parser.add_argument("--methods", nargs="+", choices=known, default=list(METHODS))
    names = list(ENVIRONMENTS)
    parser.add_argument("--environments", nargs="+", choices=names, default=names)
    parser.add_argument("--programs", action="store_true", help="neither Verilog nor reports")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(environment: dict[str, str], options: argparse.Namespace) -> dict[str, str]:
    """The hashes that a process in an environment prints."""
    chosen = dict(environment)
    if chosen.get("NPY_DISABLE_CPU_FEATURES") == "*":
        chosen["NPY_DISABLE_CPU_FEATURES"] = " ".join(_dispatched())
    command = [sys.executable, "-m", __spec__.name, "--child", "--networks", *options.networks]
    command += ["--methods", *options.methods, *["--programs"] * options.programs]
    done = subprocess.run(
        command, env={**os.environ, **chosen}, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"the process in {environment or 'no other environment'} failed")
    result: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return result


def _dispatched() -> list[str]:
    """The vector instructions beyond its baseline that numpy uses here."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]


def hashes(options: argparse.Namespace) -> dict[str, str]:
    """Of every file of every network and method; what is refused is hashed by its message."""
    found: dict[str, str] = {}
    for network in options.networks:
        model, train_x, test_x, labels = parts(network)
        if network == FASHION:
            train_x, test_x = train_x[:CALIBRATED], test_x[:CALIBRATED]
            labels = labels[:CALIBRATED]
        found[f"{network}/float"] = _digest(model(test_x).tobytes())
        for method in options.methods:
            config = {**METHODS, **TRAINED}[method]
            data = None if method == "zeroq" else train_x
            try:
                program = kanhw.quantize(model, data, **config)
            except InputError as error:
                found[f"{network}/{method}/refused"] = _digest(str(error).encode())
                continue
            with tempfile.TemporaryDirectory() as work:
                file = save_program(program, Path(work) / "program.safetensors")
                found[f"{network}/{method}/program"] = _digest(Path(file).read_bytes())
                if options.programs:
                    continue
                for path in _design(program, model, (test_x, labels), Path(work)):
                    found[f"{network}/{method}/{path.name}"] = _digest(path.read_bytes())
    return found


def _design(program: Any, model: Any, data: Any, work: Path) -> list[Path]:
    """The files of a design, and its report."""
    edges = sum(layer.n_in * layer.n_out for layer in program.layers)
    schedule = Schedule()
    if edges > UNROLLED:
        schedule = Schedule(kind="folded", parallel_inputs=4, parallel_outputs=4)
    design = kanhw.generate(program, work / "design", schedule=schedule)
    report = kanhw.report(design, work / "report.html", model=model, data=data)
    return [*sorted(path for path in design.path.iterdir() if path.is_file()), report]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
