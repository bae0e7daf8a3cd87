"""Serial ports and what can be wrong with them: one line each, and the port is free afterwards."""

import errno
import os

import numpy as np
import pytest
from board_model import ModelBoard, answers_of, behind_a_port

from kanhw.boards.host import link
from kanhw.cli import main
from kanhw.schedule.schedule import Schedule

serial = pytest.importorskip("serial")
pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals")


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch):
    monkeypatch.setattr(link, "_PATIENCE", 0.05)


@pytest.fixture(scope="module")
def data(program, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "test.npz"
    x = np.random.default_rng(1).uniform(-2, 2, (40, 3))
    golden = program(program.input.encode(x))
    np.savez(path, x=x, y=program.decode_output(golden), labels=golden.argmax(axis=1))
    return str(path)


def run(capsys, *words):
    status = main(["run", *map(str, words)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def assert_free(port):
    serial.Serial(port, exclusive=True).close()


def test_run_prints_what_the_board_did(capsys, program, build, data):
    with behind_a_port(answers_of(ModelBoard(program, Schedule()))) as port:
        status, out, _ = run(capsys, "--port", port, "--build", build, data)
        assert status == 0
        assert "40 of 40 vectors answered as by the golden model" in out
        assert "accuracy 100.00 %" in out and "largest error against y 0 " in out
        status, out, _ = run(capsys, "--port", port, "--build", build, data, "--json")
        assert status == 0 and '"mismatches": 0' in out and out.count("\n") == 1
        assert_free(port)


def test_a_wrong_answer_is_status_1(capsys, program, build, data):
    def fault(number, outputs):
        return outputs ^ int(number == 7)

    with behind_a_port(answers_of(ModelBoard(program, Schedule(), fault=fault))) as port:
        status, out, _ = run(capsys, "--port", port, "--build", build, data)
        assert status == 1
        assert "FAILED" in out and "39 of 40" in out and "first in row 7" in out
        assert_free(port)


def assert_one_line(shown, words):
    status, out, err = shown
    assert status == 2 and out == "", (status, out, err)
    assert err.count("\n") == 1 and words in err, err


def test_failures_are_one_line_and_release_the_port(capsys, program, build, data, monkeypatch):
    with behind_a_port(answers_of(ModelBoard(program, Schedule(), identity=bytes(16)))) as port:
        words = ("--port", port, "--build", build, data)
        assert_one_line(run(capsys, *words), "another design")
        assert_free(port)
        with serial.Serial(port, exclusive=True):
            assert_one_line(run(capsys, *words), "is busy")
        assert_one_line(run(capsys, "--port", port), "nothing to run")
        with pytest.raises(SystemExit):
            run(capsys, "--port", port, "--self-test", data)
        assert "name a file of data in front of it" in capsys.readouterr().err
    with behind_a_port(lambda data: b"") as port:
        assert_one_line(run(capsys, "--port", port, "--build", build, data), "is silent")
        assert_free(port)
    with behind_a_port(lambda data: b"\x00U\xc0" * 30) as port:
        assert_one_line(run(capsys, "--port", port, "--build", build, data), "no answer of a kanhw")
        assert_free(port)
    assert_one_line(run(capsys, "--port", "/dev/ttyNONE", data), "There is no port /dev/ttyNONE")


def test_a_port_without_permission_names_the_group(capsys, build, data, monkeypatch):
    def denied(*arguments, **options):
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", denied)
    shown = run(capsys, "--port", "/dev/null", "--build", build, data)
    assert_one_line(shown, "usermod -aG ")


def test_a_board_that_is_unplugged_is_one_line(capsys, program, build, data):
    answer, left = answers_of(ModelBoard(program, Schedule(), window=1)), 20

    def gone(data):
        nonlocal left
        left -= bool(data)
        return answer(data) if left > 0 else None

    with behind_a_port(gone) as port:
        shown = run(capsys, "--port", port, "--build", build, data)
        assert_one_line(shown, f"{port} is gone in the midst of it")
