"""Compiling the kernel, once a machine, and loading it; None where there is no compiler."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
from functools import cache
from pathlib import Path

from kanhw.interruption import temporary_folder
from kanhw.tools.cache import user_cache

__all__ = ["VARIABLE", "kernel_library"]

VARIABLE = "KANHW_NATIVE"
"""The environment variable that, set to 0, has PyTorch take every step."""

_SOURCE = Path(__file__).with_name("kernel.cpp")
_HEADERS = tuple(Path(__file__).with_name(name) for name in ("merging.hpp", "windows.hpp"))
# No contraction: the same numbers with and without fused multiply-add. Nobody looks at errno or
# traps, without which square roots and floors are taken many at once.
_FLAGS = (
    *("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-fopenmp-simd", "-std=c++17", "-shared", "-fPIC"),
)
_SECONDS = 120


@cache
def kernel_library() -> ctypes.CDLL | None:
    """The kernel: from the user's cache, else compiled by ``$CXX`` or g++.

    None where that is not wanted or not possible: PyTorch computes the same then, more slowly.
    """
    if os.environ.get(VARIABLE) == "0":
        return None
    compiler = shlex.split(os.environ.get("CXX") or "g++")
    source = b"".join(file.read_bytes() for file in (_SOURCE, *_HEADERS))
    about = (*compiler, *_FLAGS, platform.machine(), platform.node())
    key = hashlib.sha256(source + repr(about).encode()).hexdigest()[:32] + ".so"
    kept = user_cache("kernels")
    known = None if kept is None else kept.find(key)
    try:
        if known is not None:
            return ctypes.CDLL(str(known))
        with temporary_folder("kanhw-kernel-") as folder:
            built = folder / key
            subprocess.run(
                [*compiler, *_FLAGS, str(_SOURCE), "-o", str(built)],
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
            return ctypes.CDLL(str(built if kept is None else kept.keep(key, built)))
    except (OSError, subprocess.SubprocessError):
        return None
