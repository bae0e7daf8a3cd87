"""Progress on standard error: plain lines in a log, a live display in a terminal."""

import io
import sys

import pytest

from kanhw.progress import Progress


class Terminal(io.StringIO):
    """What a terminal is to a program that asks."""

    def isatty(self):
        return True


def work(progress):
    with progress.step("count [2]", of=2) as tick:
        tick()
        tick()
    progress.say("a word about [x]")
    with progress.step("rest"):
        pass


@pytest.mark.parametrize("force", [False, True])
def test_log(capsys, monkeypatch, force):
    if force:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress() as progress:
        work(progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "count [2] ... 0.0 s\na word about [x]\nrest ... 0.0 s\n"


def test_quiet(capsys):
    with Progress(quiet=True) as progress:
        work(progress)
    assert capsys.readouterr() == ("", "")


def test_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress() as progress:
        work(progress)
    last = terminal.getvalue().rsplit("\x1b[2K", 1)[1]
    for text in ("count [2]", "rest"):
        assert last.count(text) == 1
    assert terminal.getvalue().count("a word about [x]\n") == 1


def test_terminal_without_controls(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    with Progress() as progress:
        work(progress)
    assert terminal.getvalue() == "count [2] ... 0.0 s\na word about [x]\nrest ... 0.0 s\n"


@pytest.mark.parametrize("live", [False, True])
def test_errors_pass_through(monkeypatch, live):
    stream = Terminal() if live else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyError, match="why"), Progress() as progress, progress.step("fall"):
        raise KeyError("why")
    if live:
        assert stream.getvalue().endswith("\x1b[?25h")  # the cursor is back
    else:
        assert stream.getvalue() == "fall ... stopped\n"
