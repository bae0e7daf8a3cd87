"""Finding a program: what the user names, packages in their order, PATH; and what suits."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kanhw.errors import ToolNotFound
from kanhw.tools.nextpnr import nextpnr
from kanhw.tools.tool import FoundTool, Package, Tool, answer_of


def version(answer):
    found = re.search(r"^gadget (\d+)", answer, re.M)
    return found[1] if found else None


GADGET = Tool(
    title="Gadget",
    program="gadget",
    version_option="-V",
    read_version=version,
    install="install it with 'pip install gadget'",
    options=("-s",),
    variable="GADGET",
    # A module that there is, whose program prints the version, and one that there is not.
    packages=(
        Package("absent", "no_such_package", "print('gadget 1')"),
        Package("silent", "kanhw", "print('nothing')"),
        Package("embedded", "kanhw", "print('run')", (), "print('gadget 2')"),
    ),
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The only folder on PATH."""
    answer_of.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GADGET", raising=False)
    return tmp_path


def gadget(folder, name="gadget", says="gadget 3"):
    program = folder / name
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    return program


def test_packages_come_in_their_order_and_before_path(folder):
    gadget(folder)
    found = GADGET.find()
    assert (found.name, found.version) == ("embedded", "2")
    # Its own options (none), not those of the program.
    assert found.command == (sys.executable, "-P", "-c", "print('run')")
    assert str(found) == "embedded: 2"


def test_a_program_on_path_gets_the_options_that_always_come(folder):
    program = gadget(folder)
    tool = Tool(
        title="Gadget",
        program="gadget",
        version_option="-V",
        read_version=version,
        install="",
        options=("-s",),
    )
    assert tool.find() == FoundTool("gadget", (str(program), "-s"), "3")


def test_the_variable_goes_before_all(folder, monkeypatch):
    program = gadget(folder, "my gadget", "gadget 4")
    monkeypatch.setenv("GADGET", str(program))
    assert GADGET.find() == FoundTool(str(program), (str(program), "-s"), "4")
    # A name like that of a package is a command all the same.
    named = gadget(folder, "embedded", "gadget 5")
    monkeypatch.setenv("GADGET", "embedded")
    assert GADGET.find() == FoundTool("embedded", (str(named), "-s"), "5")
    gadget(folder, "widget", "widget 1")
    for text in ("widget", "missing", "'open"):
        monkeypatch.setenv("GADGET", text)
        with pytest.raises(ToolNotFound, match=re.escape(f"$GADGET is {text!r}, which does not")):
            GADGET.find()


def test_what_is_missing_is_told_with_how_to_install_it(folder, monkeypatch):
    monkeypatch.delenv("NEXTPNR_MACHXO2", raising=False)
    message = (
        r"^nextpnr-machxo2 was not found: install it with 'pip install yowasp-nextpnr-machxo2', "
        r"put 'nextpnr-machxo2' on PATH, or set \$NEXTPNR_MACHXO2 to its command$"
    )
    with pytest.raises(ToolNotFound, match=message):
        nextpnr("nextpnr-machxo2").find()
    program = gadget(folder, "nextpnr-machxo2", "'\"nextpnr-machxo2\" -- (Version nextpnr-0.9)'")
    answer_of.cache_clear()
    assert nextpnr("nextpnr-machxo2").find() == FoundTool(
        "nextpnr-machxo2", (str(program),), "nextpnr-0.9"
    )


@pytest.mark.parametrize("named", ["gadget", ""])
def test_what_does_not_answer_in_time_is_not_something_else(folder, monkeypatch, named):
    program = gadget(folder)
    # The shell's own loop: nothing but the program is on PATH.
    program.write_text("#!/bin/sh\nwhile :; do :; done\n")
    monkeypatch.setenv("GADGET", named)
    tool = replace(GADGET, packages=(), patience=0.2)
    message = f"^Gadget: '{program} -V' did not print its version within 0.2 s: run it once by hand"
    with pytest.raises(ToolNotFound, match=message):
        tool.find()


def test_what_a_tool_leaves_behind_is_gone():
    """As YoWASP's tools do when they are ended while they say their version."""
    words = "import tempfile, time; print(tempfile.mkdtemp(), flush=True); time.sleep(0.2)"
    place = Path(answer_of((sys.executable, "-c", words), 30.0).strip())
    assert place.is_absolute() and not place.parent.exists()
