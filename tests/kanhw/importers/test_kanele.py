"""KANELE's published networks, vector by vector, and every file that is refused."""

import json
import re

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.importers.kanele import is_kanele_folder, load_kanele
from kanhw.program import golden, load_program, save_program

CONFIG = {"layers": [2, 1], "layers_bitwidth": [1, 3]}
TABLES = {
    "0_0_0": {"acive": 1, "values_int": [-3, 2]},
    "0_1_0": {"acive": 0, "values_int": []},
}


@pytest.mark.parametrize("name", ["dry_bean", "jsc_openml", "moons", "wine"])
def test_published_networks(name, shared_folder):
    folder = shared_folder / "peers" / "kanele" / name
    program = load_kanele(folder)
    assert program.source == name
    with np.load(folder / "vectors.npz") as vectors:
        for x, y in (("x", "y"), ("x_published", "y_published")):
            assert len(vectors[x]) > 0
            np.testing.assert_array_equal(program(vectors[x]), vectors[y])
            pytest.importorskip("torch")
            np.testing.assert_array_equal(golden.run(program, vectors[x]), vectors[y])


def test_published_edges_are_counted(shared_folder, tmp_path):
    program = load_kanele(shared_folder / "peers" / "kanele" / "jsc_openml")
    assert program.active_edges == 43 + 40
    path = save_program(program, tmp_path / "jsc.safetensors")
    codes = np.random.default_rng(0).integers(0, 64, (100, 16))
    np.testing.assert_array_equal(load_program(path)(codes), program(codes))


def _write(folder, config, tables):
    for name, content in (("config.json", config), ("truth_tables.json", tables)):
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
    return folder


def test_sums_saturate(tmp_path):
    tables = {
        "0_0_0": {"active": 1, "values_int": [-3, 2]},  # either spelling
        "0_1_0": {"acive": 1, "values_int": [-3, 2]},
    }
    folder = _write(tmp_path, CONFIG, tables)
    assert is_kanele_folder(folder)
    program = load_kanele(folder)
    assert program([[0, 0], [0, 1], [1, 1]]).tolist() == [[-4], [-1], [3]]
    assert not is_kanele_folder(tmp_path / "elsewhere")


_EDGE = {"acive": 1, "values_int": [0, 1]}


@pytest.mark.parametrize(
    ("config", "tables", "message"),
    [
        ("{", TABLES, r"config\.json is not readable JSON: "),
        ([], TABLES, r"config\.json must hold a JSON object, not \[\]\Z"),
        (CONFIG, "[1]", r"truth_tables\.json must hold a JSON object, not \[1\]\Z"),
        (
            {"layers": [2, 1]},
            TABLES,
            r"'layers_bitwidth' must be a list of positive .*, not None\Z",
        ),
        ({**CONFIG, "layers": [2, 0]}, TABLES, r"'layers' must be a list of positive integers"),
        ({**CONFIG, "layers": [2, True]}, TABLES, r"'layers' must be a list of positive integers"),
        ({**CONFIG, "layers": [2]}, TABLES, r"'layers' \[2\] needs at least two sizes and as many"),
        ({**CONFIG, "layers": [2, 1, 1]}, TABLES, r"needs at least two sizes and as many"),
        ({**CONFIG, "layers_bitwidth": [1, 17]}, TABLES, r"\[1, 17\] goes beyond 16 bits\Z"),
        (CONFIG, {"0-0-0": _EDGE}, r"key '0-0-0' is not 'layer_input_output'\Z"),
        (CONFIG, {"0_0_0\n": _EDGE}, r"is not 'layer_input_output'\Z"),
        (CONFIG, {"1_0_0": _EDGE}, r"edge '1_0_0' is outside of the network of config\.json\Z"),
        (CONFIG, {"0_2_0": _EDGE}, r"edge '0_2_0' is outside of the network"),
        (CONFIG, {"0_0_1": _EDGE}, r"edge '0_0_1' is outside of the network"),
        (CONFIG, {"0_0_0": 3}, r"edge '0_0_0' needs 'acive' 0 or 1, not None\Z"),
        (CONFIG, {"0_0_0": {"acive": 2}}, r"edge '0_0_0' needs 'acive' 0 or 1, not 2\Z"),
        (CONFIG, {"0_0_0": {"acive": 1}}, r"edge '0_0_0' needs 2 integers of at most 32 bits"),
        (CONFIG, {"0_0_0": {**_EDGE, "values_int": [0]}}, r"needs 2 integers of at most 32 bits"),
        (CONFIG, {"0_0_0": {**_EDGE, "values_int": [0, 0.5]}}, r"needs 2 integers of at most 32"),
        (CONFIG, {"0_0_0": {**_EDGE, "values_int": [0, 2**70]}}, r"needs 2 integers of at most 32"),
    ],
)
def test_refusals(config, tables, message, tmp_path):
    _write(tmp_path, config, tables)
    with pytest.raises(InputError, match=message) as caught:
        load_kanele(tmp_path)
    assert re.match(re.escape(str(tmp_path)), str(caught.value))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"config\.json is not readable JSON: .*No such file"):
        load_kanele(tmp_path)
