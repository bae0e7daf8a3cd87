"""The built top in Verilator, from the command line to the answers."""

import json
import os
import re
import shutil

import numpy as np
import pytest

from kanhw.boards import SimulatedBoard, connect
from kanhw.boards.build.building import build_for_board
from kanhw.boards.built import TOP_VERILOG
from kanhw.boards.catalogue.table import board_named
from kanhw.boards.protocol.frames import Frame, encode_frame
from kanhw.boards.protocol.messages import Kind
from kanhw.cli import main
from kanhw.design.design import Port
from kanhw.design.manifest import sealed_bytes, sha256_of_bytes
from kanhw.design.packing import pack_codes
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.schedule.schedule import Schedule
from kanhw.tools.simulators import find_verilator

serial = pytest.importorskip("serial")
pytest.importorskip("amaranth_boards")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals"),
]


@pytest.fixture(scope="module", autouse=True)
def _verilator():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def project(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build") / "project"
    board = board_named("icebreaker")
    build_for_board(program, Schedule(), board, folder, project=True)
    return folder


def codes_of(program, count):
    form = program.input.format
    return np.random.default_rng(1).integers(form.lo, form.hi + 1, (count, program.n_in))


def test_data_garbage_and_a_reconnect(program, project):
    codes = codes_of(program, 200)
    with SimulatedBoard(project) as board:
        # Somebody else was here: garbage, half a frame, a vector that nobody waits for.
        with serial.Serial(board.port, 1_000_000, timeout=1) as port:
            port.write(b"garbage\xdb\xc0" + encode_frame(_vector(program, codes[0])) + b"\xc0\x01")
        with connect(board.port, project) as device:
            assert (device.outputs(codes) == program(codes)).all()
            status = device.status()
            assert (status.broken, status.overruns, device.sent_again) == (0, 0, 0)
        # By its identity alone: what was built is remembered.
        with connect(board.port) as device:
            device._link._wire.write(b"\x55\x55\xc0")
            assert (device.outputs(codes[:20]) == program(codes[:20])).all()
            assert device.status().broken == 1
            with pytest.raises(InputError, match="is busy"):
                connect(board.port)
            board.unplug()
            with pytest.raises(ToolFailed, match="gone in the midst"):
                device.outputs(codes)
    with pytest.raises(InputError, match="is off"):
        _ = board.port


def _vector(program, codes):
    return Frame(Kind.VECTOR, 3, pack_codes(codes[None], Port.input_of(program)).tobytes())


def test_run_with_a_million_inferences(program, project, tmp_path, capsys):
    x = np.random.default_rng(3).uniform(-2, 2, (50, 3))
    np.savez(tmp_path / "test.npz", x=x)
    with SimulatedBoard(project) as board:
        words = ["run", "--port", board.port, str(tmp_path / "test.npz"), "--self-test", "--json"]
        assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mismatches"] == 0 and told["board"] == "icebreaker"
    test = told["self_test"]
    assert test["passed"] and test["answered"] == test["vectors"] == 1_000_000
    assert test["clocks_per_inference"] == pytest.approx(1, abs=1e-4)


def faults_of(text, count):
    """Copies of a top's Verilog, each with a bit of a table of the network or an OR changed."""
    modules = list(re.finditer(r"^module \\link_top\.(?:\w+\.)*?network[ .]", text, re.MULTILINE))
    network, end = modules[0].start(), text.index("\nmodule ", modules[-1].start())
    entries = list(re.finditer(r"(memory\[\d+\] = \d+'h)([0-9a-f]+);", text[network:end]))
    chosen = np.random.default_rng(4).choice(len(entries), count, replace=False)
    for k in chosen.tolist():
        found, last = entries[k], int(entries[k][2], 16)
        changed = f"{found[1]}{last ^ 2:x};"
        yield text[: network + found.start()] + changed + text[network + found.end() :]


def test_the_signature_sees_faults(program, project, tmp_path):
    """A single wrong entry of a table, which one vector in 16 reads, in each of 20 boards."""
    text = (project / TOP_VERILOG).read_text(encoding="utf-8")
    folder = tmp_path / "fault"
    shutil.copytree(project, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    signatures = set()
    for changed in faults_of(text, 20):
        content = changed.encode()
        (folder / TOP_VERILOG).write_bytes(content)
        manifest["files"][TOP_VERILOG] = sha256_of_bytes(content)
        (folder / "manifest.json").write_bytes(sealed_bytes(manifest))
        with SimulatedBoard(folder) as board, connect(board.port, folder) as device:
            result = device.self_test(1_000_000)
        assert not result.passed and result.answered == 1_000_000
        assert result.signature != result.expected
        signatures.add(result.signature)
    assert len(signatures) > 15
