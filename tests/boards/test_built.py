"""The folder of a build: what is in it has types, and a digest of all of it."""

import shutil

import numpy as np
import pytest
from sealed import seal_again

from kanhw.boards.build.building import build_for_board
from kanhw.boards.built import load_built
from kanhw.boards.catalogue.table import board_named
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.schedule.schedule import Schedule

pytest.importorskip("amaranth_boards")


@pytest.fixture(scope="module")
def small():
    tables = np.random.default_rng(5).integers(-3, 4, (1, 1, 4))
    requantizer = Requantizer(np.ones((1, 1), int), np.zeros(1, int), 0, CodeFormat(3, True))
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(2, True), 1))


@pytest.fixture(scope="module")
def one_project(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "build"
    board = board_named("icestick")
    return build_for_board(small, Schedule(), board, folder, project=True).path


@pytest.fixture
def built_project(one_project, tmp_path):
    return shutil.copytree(one_project, tmp_path / "build")


@pytest.mark.wide
def test_a_build_gives_way_to_another(small, tmp_path):
    """One that nobody changed; a manifest that somebody did is not ours to write over."""
    save_program(small, tmp_path / "program.safetensors")
    words = ["build", str(tmp_path / "program.safetensors"), "--out", str(tmp_path / "build")]
    words += ["--project", "--schedule", "unrolled", "--board", "icestick"]
    for clock in (12, 24):
        assert main([*words, "--clock", str(clock)]) == 0
        assert load_built(tmp_path / "build").clock_mhz == clock
    manifest = tmp_path / "build" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"icestick"', '"icebreaker"'))
    assert main([*words, "--clock", "12"]) == 2


@pytest.mark.some(4)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock_mhz": "12"}, r"clock_mhz must be a number, not '12'"),
        ({"clock_mhz": 10**400}, r"clock_mhz must be a finite number"),
        ({"bitstream": 3}, r"bitstream must be a string, not 3"),
        ({"build_format": None}, r"is of another kind"),
        ({"build_format": "1"}, r"build_format must be an integer, not '1'"),
        ({"build_format": 2}, r"built by a newer kanhw"),
        ({"link": {"kind": "uart", "baud": True, "divisor": 4}}, r"link\.baud must be an integer"),
        ({"link": {"kind": "jtag", "baud": 1, "divisor": 4}}, r"link\.kind must be one of uart"),
        ({"utilisation": {"LUT": {"used": 0.5}}}, r"LUT\.used must be an integer"),
        ({"input": []}, r"input must be a JSON object"),
        ({"schedule": {**Schedule().to_json(), "surprise": 1}}, r"has no 'surprise'"),
    ],
)
def test_entries_of_a_build_have_types(change, message, built_project):
    seal_again(built_project, lambda data: data.update(change))
    with pytest.raises(InputError, match=message):
        load_built(built_project)


def test_a_changed_manifest_is_no_build(built_project):
    manifest = built_project / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"divisor": 12', '"divisor": 13'))
    with pytest.raises(InputError, match=r"manifest\.json was changed after it was generated"):
        load_built(built_project)
