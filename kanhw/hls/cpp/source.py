"""A design's C++ while it is written: its types, structs, tables and functions, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kanhw.formats import IntArray, format_for
from kanhw.hls.costs.block_rams import SMALLEST_MEMORY
from kanhw.hls.costs.operators import Operator
from kanhw.hls.costs.work import Function, Loop, Register, Store
from kanhw.hls.cpp.constants import array_text
from kanhw.hls.cpp.types import Types, bits_of

__all__ = ["Source", "Table", "block", "loop"]


class Table:
    """An array of constants that was written, as an expression of its entries.

    Parameters
    ----------
    name
        Of the array.
    values
        What it holds, in the order of its indices.
    value_type
        The type that its entries are cast to.
    """

    def __init__(self, name: str, values: IntArray, value_type: str) -> None:
        self.name, self.values, self.value_type = name, values, value_type
        self.bits = format_for(int(values.min()), int(values.max())).width

    def at(self, *indices: str) -> str:
        """An entry, in the type of entries; empty indices are those of dimensions of one."""
        place = "".join(f"[{index}]" for index in indices if index)
        return f"({self.value_type}){self.name}{place}"


class Source:
    """The parts of a design's C++, added in order.

    Parameters
    ----------
    prefix
        What all names of macros begin with, in capital letters.
    memories
        Whether large tables go to block RAM, as parameters of folded layers do; else tables are
        logic, as those of edges with hardware of their own are.
    """

    def __init__(self, prefix: str, *, memories: bool) -> None:
        self.prefix, self.memories = prefix.upper(), memories
        self.types = Types()
        self.structs: list[str] = []
        self.tables: list[str] = []
        self.functions: list[str] = []
        self.struct_bits: dict[str, int] = {}
        # What was written since the last process, for the model.
        self._operators = Counter[Operator]()
        self._stores: list[Store] = []
        self._registers: list[Register] = []

    def table(self, name: str, values: IntArray, comment: str = "") -> Table:
        """Write an array of constants."""
        array = np.ascontiguousarray(values, np.int64)
        if not array.size:
            raise ValueError(f"{name} has no values")
        value_type = self.types.constants(int(array.min()), int(array.max()))
        about = f"// {comment}\n" if comment else ""
        self.tables.append(about + array_text(name, array))
        return Table(name, array, value_type)

    def struct(self, name: str, members: Mapping[str, tuple[str, int]]) -> None:
        """Write a struct of arrays; a member of size 0 is a single value."""
        lines = [
            f"    {type_} {member}{f'[{size}]' if size else ''};"
            for member, (type_, size) in members.items()
        ]
        self.struct_bits[name] = sum(
            bits_of(type_) * max(size, 1) for type_, size in members.values()
        )
        self.structs.append("struct " + name + " {\n" + "\n".join(lines) + "\n};\n")

    def function(self, head: str, body: Sequence[str], comment: str = "") -> None:
        """Write a function of the layers' file."""
        about = "".join(f"// {line}\n" for line in comment.splitlines())
        self.functions.append(f"{about}static void {head} {{\n" + block(body) + "}\n")

    def partitioned(self, table: str, dimensions: Sequence[int]) -> list[str]:
        """Pragmas that split an array completely in some dimensions."""
        return [f"{self.prefix}_PARTITION({table}, {d})" for d in dimensions]

    def stored(self, table: Table, dimensions: Sequence[int], *, readers: int = 1) -> list[str]:
        """Pragmas that make memories of a table: split in these dimensions, and what they are.

        Parameters
        ----------
        table
            The table.
        dimensions
            Numbers of the dimensions (from 1) whose every entry is a memory of its own.
        readers
            How many places read each memory at once.
        """
        shape = table.values.shape
        kept = [size for d, size in enumerate(shape, 1) if d not in dimensions]
        words = int(np.prod(kept)) if kept else 1
        lines = self.partitioned(table.name, [d for d in dimensions if shape[d - 1] > 1])
        if words == 1:
            return lines
        lo, hi = int(table.values.min()), int(table.values.max())
        bits = words * (max(hi, -lo - 1, 0).bit_length() + (lo < 0))
        kind = "BRAM" if self.memories and bits >= SMALLEST_MEMORY else "LUT"
        shared = "SHARED_" if readers > 1 else ""
        # A block RAM has two ports; look-up tables are there once for every reader.
        copies = int(np.prod(shape)) // words * (-(-readers // 2) if kind == "BRAM" else readers)
        self._stores.append(Store(words, bits // words, copies, in_luts=kind == "LUT"))
        return [*lines, f"{self.prefix}_{shared}ROM_{kind}({table.name})"]

    def buffer(self, copies: int, words: int, struct: str) -> None:
        """Say that a process keeps so many words of a struct in memories."""
        bits = self.struct_bits[struct]
        self._stores.append(Store(words, bits, copies))

    def uses(self, operator: Operator, count: int = 1) -> None:
        """Say that a turn of the process that is written uses an operator so many times."""
        if count:
            self._operators[operator] += count

    def keeps(self, count: int, bits: int, *, writers: int = 2) -> None:
        """Say that the process that is written keeps values in registers."""
        self._registers.append(Register(count, bits, writers))

    def used(self) -> Counter[Operator]:
        """Operators that were named since the last loop; the next loop begins with none."""
        found, self._operators = self._operators, Counter()
        return found

    def reading(self, loops: Sequence[Loop]) -> list[Loop]:
        """The loops of the process that is written, as such that read its memories every turn."""
        reads = Counter(self._stores)
        return [replace(loop, reads=reads) for loop in loops]

    def work(self, name: str, loops: Sequence[Loop]) -> Function:
        """The process that was written as a function of the model; the next begins with nothing."""
        made = Function(name, loops, self._stores, self._registers)
        self._stores, self._registers = [], []
        return made


def block(lines: Sequence[str], depth: int = 1) -> str:
    """Lines set in; pragmas stand at the margin, empty lines stay empty."""
    return "".join(
        (line if line.startswith("#") or not line else "    " * depth + line) + "\n"
        for line in lines
    )


def loop(variable: str, count: int, body: Sequence[str], *pragmas: str) -> list[str]:
    """A loop from 0 with pragmas of HLS at its head."""
    heads = [f"#pragma HLS {pragma}" for pragma in pragmas]
    inner = [line if line.startswith("#") or not line else f"    {line}" for line in body]
    return [
        f"for (int {variable} = 0; {variable} < {count}; {variable}++) {{",
        *heads,
        *inner,
        "}",
    ]
