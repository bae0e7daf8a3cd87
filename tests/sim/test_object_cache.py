"""Objects that are the same for every design are compiled once."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kanhw.sim import compiled, object_cache
from kanhw.tools.cache import Cache

COMPILER = """#!{python}
import pathlib, sys, time
words = sys.argv[1:]
headers, first = "c++-header" in words, "-include" in words
with open(pathlib.Path(__file__).with_name("calls"), "a") as calls:
    calls.write("headers\\n" if headers else "quick\\n" if first else "call\\n")
if headers:
    pathlib.Path(words[words.index("-o") + 1]).write_text(" ".join(words))
    sys.exit(pathlib.Path(__file__).with_name("no headers").exists())
if first and pathlib.Path(__file__).with_name("refuses").exists():
    sys.exit(1)
source = pathlib.Path(next(word for word in words if word.endswith(".cpp"))).read_text()
if "fails" in source:
    sys.exit(3)
if "slow" in source:
    time.sleep(0.3)
pathlib.Path(words[words.index("-o") + 1]).write_text(source + " ".join(words))
"""


class Build:
    """A folder of a build, a runtime beside it, and a compiler that counts its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runtime, self.own = folder, folder / "include", folder / "build"
        for path in (self.runtime, self.own):
            path.mkdir()
        self.compiler = folder / "c++"
        self.compiler.write_text(COMPILER.format(python=sys.executable))
        self.compiler.chmod(self.compiler.stat().st_mode | stat.S_IXUSR)
        self.write(self.runtime / "verilated.cpp", "runtime")
        self.write(self.runtime / "verilated.h", "header")
        self.write(self.folder / "harness.cpp", "harness")
        self.write(self.own / "Vdut.h", "ports")
        self.write(self.own / "Vdut__all.cpp", "design")

    def write(self, path: Path, text: str) -> None:
        path.write_text(text)

    def compile(self, source: Path, *options: str) -> int:
        """Compile, and give the exit status."""
        words = [f"-I{self.runtime}", *options, "-c", "-o", "out.o", str(source)]
        return subprocess.run(
            [sys.executable, "-I", "-S", object_cache.__file__, str(self.compiler), *words],
            cwd=self.own,
            env={object_cache.FOLDER_VARIABLE: str(self.folder / "objects")},
            check=False,
        ).returncode

    @property
    def ways(self) -> list[str]:
        """How the compiler was called, each time."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def calls(self) -> int:
        """How often it was called for a source."""
        return len(self.ways) - self.ways.count("headers")

    @property
    def object(self) -> str:
        """What was compiled last."""
        return (self.own / "out.o").read_text()


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def test_the_runtime_is_compiled_once(build: Build) -> None:
    source = build.runtime / "verilated.cpp"
    assert build.compile(source) == 0
    first = build.object
    (build.own / "out.o").unlink()
    build.write(build.own / "Vdut.h", "other ports")
    assert build.compile(source) == 0
    assert build.object == first and build.calls == 1


@pytest.mark.some(2)
@pytest.mark.parametrize("changed", ["source", "header", "option"])
def test_what_it_is_made_from_counts(build: Build, changed: str) -> None:
    source = build.runtime / "verilated.cpp"
    build.compile(source)
    if changed != "option":
        build.write(source if changed == "source" else build.runtime / "verilated.h", "new")
    build.compile(source, *(["-O2"] if changed == "option" else []))
    assert build.calls == 2


def test_two_builds_at_once_compile_it_once(build: Build) -> None:
    source = build.runtime / "verilated.cpp"
    build.write(source, "slow")
    threads = [threading.Thread(target=build.compile, args=[source]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.calls == 1 and build.object.startswith("slow")
    kept = {path.suffix for path in (build.folder / "objects").iterdir()}
    assert kept == {".o", ".headers"} and build.ways == ["headers", "quick"]


def test_macros_count_where_they_are_mentioned(build: Build) -> None:
    build.write(build.folder / "harness.cpp", "KANHW_CLOCK")
    for name, calls in (("verilated.cpp", 1), ("harness.cpp", 2)):
        source = (build.runtime if name == "verilated.cpp" else build.folder) / name
        before = build.calls
        build.compile(source, "-DKANHW_CLOCK=clk", "-DVM_TRACE=0")
        build.compile(source, "-DKANHW_CLOCK=clock", "-DVM_TRACE=1")
        assert build.calls - before == calls
    # Nobody knows which headers of the system look at others.
    build.compile(build.runtime / "verilated.cpp", "-DNDEBUG")
    assert build.calls == 4


def test_a_testbench_sees_the_ports(build: Build) -> None:
    source = build.folder / "harness.cpp"
    for ports, calls in (("ports", 1), ("ports", 1), ("other ports", 2)):
        build.write(build.own / "Vdut.h", ports)
        assert build.compile(source) == 0
        assert build.calls == calls


def test_the_design_is_always_compiled(build: Build) -> None:
    for _ in range(2):
        assert build.compile(build.own / "Vdut__all.cpp") == 0
    assert build.calls == 2


def test_headers_are_read_once(build: Build) -> None:
    for source in (build.runtime / "verilated.cpp", build.own / "Vdut__all.cpp"):
        assert build.compile(source, "-DKANHW_CLOCK=clk", "-O1", "-g") == 0
        assert "-include" in build.object
    # The same options, elsewhere; a macro that no header mentions.
    assert build.compile(build.own / "Vdut__all.cpp", "-g", "-O1", "-DKANHW_CLOCK=clock") == 0
    assert build.ways == ["headers", "quick", "quick", "quick"]
    assert build.compile(build.own / "Vdut__all.cpp", "-O2") == 0
    build.write(build.runtime / "verilated.h", "another Verilator")
    assert build.compile(build.own / "Vdut__all.cpp", "-O2") == 0
    assert build.ways[4:] == ["headers", "quick"] * 2


@pytest.mark.parametrize(("trouble", "ways"), [("no headers", []), ("refuses", ["quick"])])
def test_without_what_was_made_of_headers_it_compiles(
    build: Build, trouble: str, ways: list[str]
) -> None:
    (build.folder / trouble).touch()
    assert build.compile(build.own / "Vdut__all.cpp") == 0
    assert "-include" not in build.object
    assert build.ways == ["headers", *ways, "call"]


def test_a_compiler_that_fails_fails(build: Build) -> None:
    source = build.runtime / "verilated.cpp"
    build.write(source, "fails")
    assert [build.compile(source), build.compile(source)] == [3, 3]
    assert build.ways == ["headers", *["quick", "call"] * 2]


def test_a_cache_of_the_user_is_left_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OBJCACHE", raising=False)
    assert set(object_cache.environment(tmp_path)) == {"OBJCACHE", object_cache.FOLDER_VARIABLE}
    assert object_cache.environment(None) == {}
    monkeypatch.setenv("OBJCACHE", "ccache")
    assert object_cache.environment(tmp_path) == {}


def test_what_a_build_uses_is_removed_last(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is held within the limit of a cache before each build."""
    monkeypatch.setenv("KANHW_CACHE", str(build.folder))
    monkeypatch.setattr(compiled, "user_cache", lambda name: Cache(build.folder / name, 1500))
    runtime = build.runtime / "verilated.cpp"
    sources = runtime, build.own / "Vdut__all.cpp"
    assert [build.compile(source) for source in sources] == [0, 0]
    objects = build.folder / "objects"
    used = set(objects.iterdir())
    for path in used:
        os.utime(path, (0, 0))
    for number in range(3):
        (objects / f"old{number}.o").write_bytes(bytes(600))
        os.utime(objects / f"old{number}.o", (number + 1, number + 1))
    assert [build.compile(source) for source in sources] == [0, 0]
    assert compiled.shared_objects()["KANHW_OBJECTS"] == str(objects)
    left = set(objects.iterdir())
    assert used <= left and {path.name for path in left - used} == {"old2.o"}
