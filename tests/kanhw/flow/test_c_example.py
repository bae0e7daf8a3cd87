"""The documentation's example of a back end: its C gives the integers of the Program."""

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.flow.backends import BACKENDS
from kanhw.formats import CodeFormat
from kanhw.program import (
    BranchEdgeTableLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    Program,
    Requantizer,
    save_program,
)

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "c_functions.py"
CODE = CodeFormat(3, signed=True)

# Reads vectors of codes from the standard input and writes what the network makes of each.
MAIN = """#include <stdio.h>
#include "{0}.c"
int main(void) {{
    long long code;
    int64_t codes[{1}], outputs[{2}];
    int i = 0;
    while (scanf("%lld", &code) == 1) {{
        codes[i++] = code;
        if (i < {1}) continue;
        i = 0;
        {0}(codes, outputs);
        for (int j = 0; j < {2}; j++) printf("%lld ", (long long)outputs[j]);
    }}
    return 0;
}}
"""


@pytest.fixture
def example():
    """The example, which registers itself; out of the table again after the test."""
    yield runpy.run_path(str(EXAMPLE))
    del BACKENDS["c_functions"]


@pytest.fixture(scope="module")
def program():
    """Both kinds of tables, ranges of codes at the input and between layers, sums at the end."""
    rng = np.random.default_rng(0)

    def join(branches, n_out, shift, format, **ends):
        factors, bias = rng.integers(1, 9, (branches, n_out)), rng.integers(-9, 9, n_out)
        return (Requantizer(factors, bias, shift, format, **ends),)

    layers = (
        EdgeTableLayer(rng.integers(-9, 9, (4, 3, 8)), join(1, 4, 4, CODE)),
        BranchEdgeTableLayer(
            *(rng.integers(-9, 9, (3, 4, 8)) for _ in range(2)), join(2, 3, 5, CODE, lo=-3, hi=2)
        ),
        EdgeTableLayer(rng.integers(-9, 9, (2, 3, 8)), join(1, 2, 0, None), "last"),
    )
    return Program(layers, InputEncoder(CODE, 3, lo=-3, hi=3))


def _run(design, codes):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    facts = design.facts
    sizes = facts["function"], facts["inputs"], facts["outputs"]
    folder = design.path.parent
    source = folder / "main.c"
    source.write_text(MAIN.format(*sizes))
    flags = ["-Wall", "-Werror", "-I", str(design.path), "-o", str(folder / "main")]
    subprocess.run([compiler, str(source), *flags], check=True)
    given = " ".join(map(str, codes.ravel()))
    done = subprocess.run(
        [folder / "main"], input=given, check=True, capture_output=True, text=True
    )
    return np.array(done.stdout.split(), np.int64).reshape(len(codes), -1)


def test_its_c_gives_the_integers_of_the_program(example, program, tmp_path):
    design = kanhw.generate(program, tmp_path / "c", backend="c_functions")
    assert design.files == ("kan.c",)
    codes = np.random.default_rng(1).integers(-4, 4, (200, 3))
    outputs = _run(design, codes)
    np.testing.assert_array_equal(outputs, program(codes))
    assert len(np.unique(outputs)) > 20


def test_the_command_line_reaches_it_and_its_options(
    example, program, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    save_program(program, "kan.safetensors")
    command = ["generate", "kan.safetensors", "--out", "c", "--backend", "c_functions"]
    assert main([*command, "--backend-option", "prefix=net", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["function"] == "net"
    assert "void net(const int64_t *codes" in Path("c/net.c").read_text()


def test_what_it_cannot_write_is_refused(example, program, tmp_path):
    def refused(program, message, **options):
        with pytest.raises(InputError, match=message):
            kanhw.generate(program, tmp_path / "c", backend="c_functions", **options)

    norm = NormLayer(np.full(4, 200), 30, 16, 3, (Requantizer([[1] * 4], [0] * 4, 20, CODE),))
    refused(Program((norm,), InputEncoder(CODE, 4)), r"edge_table, .* not of kind 'layer_norm'")
    refused(program, r"^C functions hand out outputs, not an index", argmax=True)
    refused(program, r"^prefix must be a C identifier", prefix="9")
