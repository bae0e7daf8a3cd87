"""Compiling what is the same for every design once: ``python object_cache.py c++ ... -c FILE``.

Verilator's makefiles put ``$(OBJCACHE)`` in front of each call of the compiler. The sources that
stand outside of the folder of the build - Verilator's runtime, the testbench around it - are most
of the work and hardly ever change; their objects are kept in ``$KANHW_OBJECTS``. Sources made of
the design are compiled each time; two thirds of that were reading the runtime's headers, so what
the compiler makes of those is kept, too. Runs without kanhw's packages, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["FOLDER_VARIABLE", "environment", "main"]

FOLDER_VARIABLE = "KANHW_OBJECTS"

# Given to every source of a build, though only some of them look at them.
_MACROS = ("-DVM_", "-DKANHW_")


def environment(folder: Path | None) -> dict[str, str]:
    """Give the variables that make Verilator's makefiles use this, with objects in ``folder``."""
    # A cache of the user's own (ccache) stays theirs. None: nothing can be kept.
    if folder is None or os.environ.get("OBJCACHE"):
        return {}
    command = f'"{sys.executable}" -I -S "{Path(__file__).resolve()}"'
    return {"OBJCACHE": command, FOLDER_VARIABLE: str(folder)}


def main(command: Sequence[str]) -> int:
    """Run a compiler's command, or put the object in place that it gave last time."""
    folder, source = os.environ.get(FOLDER_VARIABLE), _source(command)
    if source is None or not folder:
        return subprocess.call(command)
    place = Path(folder)
    if source.resolve().parent == Path.cwd():
        return _compile(command, source, place)
    target = Path(command[command.index("-o") + 1])
    kept = place / f"{_key(command, source)}.o"
    # Of two builds at once one compiles, and the other waits for what it keeps.
    with _alone(kept.with_suffix(".lock")):
        try:
            shutil.copyfile(kept, target)
            _mark(kept)
            return 0
        except OSError:
            pass
        status = _compile(command, source, place)
        if status == 0:
            # Whether it could be kept or not, it is there.
            with contextlib.suppress(OSError):
                _keep(target, kept)
        return status


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """While this lasts, nobody else holds the lock, where the system and the folder have locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(lock.open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Whoever waits for a file that is gone finds the object, or compiles it once more.
            stack.callback(lock.unlink, missing_ok=True)
        yield


def _source(command: Sequence[str]) -> Path | None:
    """The source of a command that compiles one, without other inclusions."""
    if not {"-c", "-o"} <= set(command) or "-include" in command:
        return None
    sources = [Path(word) for word in command if word.endswith(".cpp")]
    return sources[0] if len(sources) == 1 else None


def _compile(command: Sequence[str], source: Path, place: Path) -> int:
    """Run a compiler's command, with the runtime's headers as it made them before."""
    headers = None
    # Where they cannot be kept, or the compiler makes nothing of them, it reads them again.
    with contextlib.suppress(OSError):
        headers = _precompiled(command, source, place)
    if headers is not None:
        words = [command[0], "-include", str(headers), *command[1:]]
        done = subprocess.run(words, stderr=subprocess.PIPE, check=False)
        if done.returncode == 0:
            sys.stderr.buffer.write(done.stderr)
            return 0
    return subprocess.call(command)


def _precompiled(command: Sequence[str], source: Path, place: Path) -> Path | None:
    """A header to be included first, beside what the compiler made of it."""
    folders = _folders(command)
    if not any((folder / "verilated.h").is_file() for folder in folders):
        return None
    texts = [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.h"))]
    own = [word for word in _options(command, source, texts) if word not in ("-c", "-MMD")]
    # Makefiles give the same options in different places; folders are looked at in their order.
    options = sorted(own, key=lambda word: "" if word.startswith("-I") else word)
    kept = place / f"{_digest(command, options, texts)}.headers"
    with _alone(kept.with_suffix(".lock")):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=place, prefix=".") as temporary:
                built = Path(temporary) / kept.name
                built.mkdir()
                header = built / "runtime.h"
                header.write_text("#include <verilated.h>\n")
                words = [*options, "-x", "c++-header", "-o", f"{header}.gch", str(header)]
                if subprocess.call([command[0], *words], stderr=subprocess.DEVNULL):
                    return None
                # Under its final name only when complete: another process may look for it now.
                built.rename(kept)
    _mark(kept)
    return kept / "runtime.h"


def _key(command: Sequence[str], source: Path) -> str:
    """A digest of the compiler, its options, the source and all headers that it may include."""
    folders = _folders(command)
    headers = [path for folder in folders for path in sorted(folder.glob("*.h"))]
    # The runtime knows no design; a testbench sees one header of it, that of its ports.
    runtime = source.resolve().parent in [folder.resolve() for folder in folders]
    own = [] if runtime else sorted(Path.cwd().glob("*.h"))
    ports = [path for path in own if "__" not in path.name]
    texts = [path.read_bytes() for path in (source, *headers, *ports)]
    return _digest(command, _options(command, source, texts), texts)


def _folders(command: Sequence[str]) -> list[Path]:
    """Where a command looks for headers, but for where it runs."""
    return [Path(word[2:]) for word in command if word.startswith("-I") and word != "-I."]


def _options(command: Sequence[str], source: Path, texts: Sequence[bytes]) -> list[str]:
    """The options of a command that matter for texts, without the source and the target."""
    words = [word for word in command[1:] if word != str(source)]
    target = words.index("-o") + 1
    return [word for word in words[: target - 1] + words[target + 1 :] if _counts(word, texts)]


def _digest(command: Sequence[str], options: Sequence[str], texts: Sequence[bytes]) -> str:
    """A name of what the compiler makes of texts."""
    digest = hashlib.sha256()
    compiler = Path(shutil.which(command[0]) or command[0]).resolve()
    status = compiler.stat()
    digest.update(repr((compiler, status.st_size, status.st_mtime_ns, options)).encode())
    for text in texts:
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()[:32]


def _counts(option: str, texts: Sequence[bytes]) -> bool:
    """Whether an option matters: all but macros of Verilator's and ours that no text mentions."""
    if not option.startswith(_MACROS):
        return True
    name = option.removeprefix("-D").partition("=")[0].encode()
    return any(name in text for text in texts)


def _mark(kept: Path) -> None:
    """What is used is removed last when the folder becomes too large."""
    with contextlib.suppress(OSError):
        os.utime(kept)


def _keep(built: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as temporary:
        # Under its final name only when complete: another process may look for it now.
        shutil.copyfile(built, Path(temporary) / place.name).replace(place)


if __name__ == "__main__":
    # A build that is ended leaves no temporary folder in the cache.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
