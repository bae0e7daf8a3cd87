"""What hangs on the processor stays out of all that makes Programs, and Programs are the same."""

import ast
import hashlib
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw.program import save_program

ROOT = Path(__file__).parents[3]
# numpy's functions that differ between vector units, C libraries or BLAS kernels.
FORBIDDEN = {
    "numpy": r"exp|exp2|expm1|log|log2|log10|log1p|logaddexp|sin|cos|tan|sinh|cosh|tanh|arc\w+"
    r"|power|float_power|cbrt|hypot|dot|vdot|inner|matmul|tensordot|einsum|linalg|cov|corrcoef|convolve"
    r"|correlate|polyfit|fft|kron|geomspace|logspace",
    "math": r"exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan|sinh|cosh|tanh|a(sin|cos|tan)\w*|pow"
    r"|hypot|erf|erfc|l?gamma|cbrt|dist|sumprod",
}
# Draws whose rare tails numpy takes from the C library.
DRAWS = {"normal", "standard_normal", "multivariate_normal", "lognormal", "standard_gamma"}
# What trains, and traces, is PyTorch's; reports of integers and simulations compute in integers.
LEFT_OUT = (
    *("kanhw/numerics/", "kanhw/layers/", "quant/training/", "quant/analysis/traces.py"),
    *("quant/fabric/stages.py", "quant/fabric/fitting.py", "quant/fabric/learned/network.py"),
    *("quant/fabric/learned/structure.py", "quant/fabric/learned/tables.py"),
    "quant/fabric/learned/merging.py",
)
# Products of matrices of integers, in int64 or in float64 below 2**53, which are exact.
INTEGER_PRODUCTS = (
    "kanhw/program/",
    "kanhw/reports/kinds/",
    "quant/record/branches.py",
    "quant/codebook/sums.py",
    "quant/integers/spline_evaluator.py",
    "quant/integers/sums.py",
)
# Powers of integers and fractions.
INTEGER_POWERS = ("kanhw/program/functions/splines.py", "quant/splines/spline_evaluator.py")


def found_in(path):
    """Every place of a file that may differ from machine to machine."""
    name = path.relative_to(ROOT).as_posix()
    integers = name.startswith(INTEGER_PRODUCTS)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        wrong = False
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = {"np": "numpy"}.get(node.value.id, node.value.id)
            wrong = _forbidden(module, node.attr) and not (integers and node.attr == "matmul")
            wrong |= module != "numpy" and node.attr in DRAWS
        elif isinstance(node, ast.ImportFrom):
            wrong = any(_forbidden(node.module, own.name) for own in node.names)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            wrong = not integers
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            wrong = not (_exact_power(node) or name.startswith(INTEGER_POWERS))
        if wrong and ast.unparse(node) != "np.linalg":
            yield f"{name}:{node.lineno}: {ast.unparse(node)}"


def _forbidden(module, function):
    return module in FORBIDDEN and re.fullmatch(FORBIDDEN[module], function) is not None


def _exact_power(node):
    """Squares, and powers of constants: of two, or integers."""
    return isinstance(node.left, ast.Constant) or ast.unparse(node.right) == "2"


def sources():
    files = [*(ROOT / "kanhw").glob("**/*.py"), *(ROOT / "quant").glob("**/*.py")]
    names = {path.relative_to(ROOT).as_posix(): path for path in files}
    linked = ("kanhw/quant/", "kanhw/gateware/", "kanhw/sim/")
    return [path for name, path in names.items() if not name.startswith((*linked, *LEFT_OUT))]


def test_nothing_hangs_on_the_processor():
    assert len(sources()) > 100
    assert [place for path in sources() for place in found_in(path)] == []


def test_the_rule_finds_what_it_is_for(tmp_path, monkeypatch):
    text = "import numpy as np\nimport math\na @ b\nnp.exp(x)\nmath.log2(y)\nx**0.5\n2.0**k\nx**2\n"
    text += "rng.normal()\n"
    (tmp_path / "quant").mkdir()
    (tmp_path / "quant" / "file.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    found = list(found_in(tmp_path / "quant" / "file.py"))
    assert [place.split(":")[1] for place in found] == ["3", "6", "4", "5", "9"]


# Combined, so that few processes show all of them: BLAS kernels, vector instructions, threads.
MACHINES = {
    "Sandybridge": {"OPENBLAS_CORETYPE": "Sandybridge", "OMP_NUM_THREADS": "2"},
    "Haswell": {
        "OPENBLAS_CORETYPE": "Haswell",
        "OMP_NUM_THREADS": "2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable",
    },
    "Prescott": {
        "OPENBLAS_CORETYPE": "Prescott",
        "OMP_NUM_THREADS": "1",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3",
    },
}
FEW = dict.fromkeys(("base_bits", "spline_bits", "activation_bits", "basis_bits"), 4)
TABLES = {**FEW, "norm_bits": 10, "realisation": "basis_table"}
METHODS = {
    "edge_table": {"activation_bits": 5, "norm_bits": 10, "realisation": "edge_table"},
    "joint": {**TABLES, "method": "gptq_joint"},
    "awq": {**TABLES, "method": "awq", "norms": "frozen"},
    "smoothquant": {**TABLES, "method": "smoothquant", "activation_calibration": "mse"},
    "codebook": {**TABLES, "realisation": "codebook", "codebook.size": 4, "codebook.gain_bits": 3},
    "zeroq": {**TABLES, "method": "zeroq", "iterations": 30},
}
# Other libraries differ in their functions; methods are tried on one.
FOR_ALL = ("edge_table", "joint", "codebook", "zeroq")
SCRIPT = "import json, runpy, sys; print(json.dumps(runpy.run_path(sys.argv[1])['hashes']()))"


def hashes():
    """Of every Program of small networks of every library, and of what the floats give."""
    variants = runpy.run_path(str(ROOT / "tests" / "quant" / "conftest.py"))["_VARIANTS"]
    found = {}
    for name, make in variants.items():
        model = make(np.random.default_rng(5))
        x = np.random.default_rng(6).uniform(-1.5, 1.5, (60, model.n_in))
        found[name] = hashlib.sha256(model(x).tobytes()).hexdigest()
        for method in METHODS if name == "b_splines" else FOR_ALL:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    data = None if method == "zeroq" else x
                    program = kanhw.quantize(model, data, **METHODS[method])
                except kanhw.InputError as error:
                    found[f"{name} {method}"] = str(error)
                    continue
                path = save_program(program, Path(folder) / "program.safetensors")
                found[f"{name} {method}"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def here():
    found = hashes()
    assert sum(len(value) == 64 for value in found.values()) >= 20
    return found


@pytest.mark.some(1)
@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="kernels of other processors"
)
@pytest.mark.parametrize(
    "machine", [pytest.param("Sandybridge", marks=pytest.mark.slow), "Haswell", "Prescott"]
)
def test_programs_are_the_same_bytes(machine, here):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, __file__],
        env={**os.environ, **MACHINES[machine]},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == here
