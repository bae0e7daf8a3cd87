"""Signals make an orderly end: no process, no folder, no traceback is left."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from kanhw.errors import ToolFailed
from kanhw.interruption import (
    Interrupted,
    end_group,
    orderly_end,
    received,
    temporary_folder,
    uninterrupted,
)
from kanhw.tools.processes import run_logged

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A shell that starts another one, which would go on for a minute.
FAMILY = ["sh", "-c", "echo $$; sleep 60 & echo $!; wait"]


def alive(pid):
    """Whether a process runs; one that only waits for its parent's question has ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def gone(*pids):
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, pids))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_unwinds_once(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, orderly_end():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # not heeded: the end has begun
            assert received() == number
    assert caught.value.number == number and isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before


def test_sections_that_are_not_cut():
    done = []
    with pytest.raises(Interrupted), orderly_end(), uninterrupted():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_signals_that_are_ignored_stay_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert received() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_have_no_signals():
    def enter():
        with orderly_end(), uninterrupted(), temporary_folder("kanhw-test-") as folder:
            found.append(folder.is_dir())

    found = []
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [True] and signal.getsignal(signal.SIGTERM) is before


def test_a_temporary_folder_goes_whatever_happens(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = tempfile.mkdtemp

    def interrupted(**given):
        folder = made(**given)
        os.kill(os.getpid(), signal.SIGTERM)  # just before anybody knows its name
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", interrupted)
    with pytest.raises(Interrupted), orderly_end(), temporary_folder("kanhw-test-"):
        pytest.fail("the folder was used after the signal")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("deaf", [False, True], ids=["heeds", "ignores SIGTERM"])
def test_the_end_of_a_session(deaf):
    command = ["sh", "-c", f"trap '' TERM; {FAMILY[2]}"] if deaf else FAMILY
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    pids = [int(process.stdout.readline()) for _ in range(2)]
    started = time.monotonic()
    end_group(process)
    assert gone(*pids) and process.returncode is not None
    assert (time.monotonic() - started > 1) is deaf
    process.stdout.close()


def test_a_tool_that_takes_too_long_is_ended_with_its_children(tmp_path):
    with pytest.raises(ToolFailed, match=r"did not finish within 0\.3 s"):
        run_logged("A family", FAMILY, tmp_path / "log", timeout=0.3)
    assert gone(*map(int, (tmp_path / "log").read_text().split()))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_children_of_libraries_are_ended():
    """As Amaranth's Yosys, which runs in our own session."""
    code = (
        "import subprocess, sys; from kanhw.interruption import end_children\n"
        f"child = subprocess.Popen({FAMILY!r}, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline() + child.stdout.readline(), end='', flush=True)\n"
        "end_children()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 2 and gone(*map(int, done.stdout.split()))


def test_temporary_folders_are_gone_after_signals_too():
    """tempfile's own are left behind by a signal between making one and entering its block."""
    others = {"sim/object_cache.py", "boards/host/simulated.py"}  # no imports; no command's
    root = Path(__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for top in ("kanhw", "boards", "gateware", "quant", "sim")
        for path in (root / top).rglob("*.py")
        if "TemporaryDirectory" in path.read_text(encoding="utf-8")
    }
    assert found == others
