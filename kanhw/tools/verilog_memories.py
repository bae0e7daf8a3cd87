"""Verilog for Yosys to read quickly: what large memories hold, in files beside it."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["LARGE_MEMORY", "copy_for_yosys"]

LARGE_MEMORY = 1024
"""Words of a memory whose words are moved to a file. Yosys takes a statement a word in a time that
rises with the square of their number, and some 10 kB of memory each; a file of words takes
neither."""

# One word, as Yosys writes it. An escaped name ends with a blank.
_WORD = re.compile(r"    (\S+ ?)\[(\d+)\] = (\d+)'h([0-9a-f]+);\n")
_BLOCK = re.compile(rf"^  initial begin\n((?:{_WORD.pattern.replace('(', '(?:')})+)  end\n", re.M)


def copy_for_yosys(verilog: Path, folder: Path, name: str) -> None:
    """Copy Verilog into a folder, and the words of its large memories into files beside it.

    What Yosys makes of it is the same. Blocks that are not just all words of one memory, in their
    order, stay as they are.

    Parameters
    ----------
    verilog
        The file.
    folder
        Where Yosys runs.
    name
        Of the copy; the names of the memories' files begin with it.
    """
    # A comment in another encoding goes through as it is.
    text = verilog.read_text(encoding="utf-8", errors="surrogateescape")
    parts: list[str] = []
    files = end = 0
    for block in _BLOCK.finditer(text):
        found = _memory(block[1])
        if found is None:
            continue
        memory, words = found
        file = f"{name}.{files}.hex"
        (folder / file).write_text("\n".join(words) + "\n", encoding="utf-8")
        parts += text[end : block.start()], f'  initial $readmemh("{file}", {memory});\n'
        files, end = files + 1, block.end()
    copied = "".join([*parts, text[end:]])
    (folder / name).write_text(copied, encoding="utf-8", errors="surrogateescape")


def _memory(block: str) -> tuple[str, list[str]] | None:
    """The memory that a block fills, and its words; None if it is small, or anything else."""
    words: list[str] = []
    memory = ""
    for place, line in enumerate(_WORD.finditer(block)):
        memory = memory or line[1]
        if line[1] != memory or int(line[2]) != place:
            return None
        words.append(line[4])
    return (memory, words) if len(words) >= LARGE_MEMORY else None
