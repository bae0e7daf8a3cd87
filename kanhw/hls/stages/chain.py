"""The chain of functions that a design becomes, from a stream of beats to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kanhw.formats import CodeFormat
from kanhw.hls.costs.work import Function, Loop
from kanhw.hls.cpp.source import Source
from kanhw.hls.kinds.site import EdgeSite
from kanhw.program import Program, ProgramLayer, ResidentLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.planned_stage import PlannedStage
from kanhw.schedule.schedule import Schedule

__all__ = ["DEPTH", "Beats", "Chain", "Process", "StageSite"]

DEPTH = 4
"""Stages of a turn of a loop of integers, as reports show of sums of products at 6.67 ns."""


@dataclass(frozen=True)
class Beats:
    """What passes between two functions.

    Parameters
    ----------
    struct
        The type of a beat.
    formats
        Of the codes of every stream of it.
    """

    struct: str
    formats: tuple[CodeFormat, ...]


@dataclass(frozen=True)
class Process:
    """A function from a stream to another.

    Parameters
    ----------
    name
        Of the function.
    gives
        The type of a beat that it writes.
    clocks
        In which turns of its loops start, for a vector or an image.
    work
        Its loops and what they are made of, for the model.
    """

    name: str
    gives: str
    clocks: int
    work: Function


class Chain:
    """The functions of a design, as they are added.

    Parameters
    ----------
    source
        What is written to.
    program, schedule
        What is computed, and how.
    start
        What comes in.
    count
        Codes of a beat that comes in.
    """

    def __init__(self, source: Source, program: Program, schedule: Schedule, count: int) -> None:
        self.source, self.program, self.schedule = source, program, schedule
        self.processes: list[Process] = []
        # Functions of one vector, where the whole design is made of such; else None.
        self.vector_functions: list[tuple[str, str]] | None = []
        self.at = Beats("input_t", (program.input.format,))
        self.struct("input_t", self.codes(count, self.at.formats))

    def codes(self, count: int, formats: Sequence[CodeFormat]) -> dict[str, tuple[str, int]]:
        """Members of a struct with so many codes of every stream."""
        types = self.source.types
        return {f"s{k}": (types.of(form), count) for k, form in enumerate(formats)}

    def struct(self, name: str, members: Mapping[str, tuple[str, int]]) -> None:
        """A struct, with the head of a vector where there are several."""
        own = dict(members)
        if self.program.heads > 1:
            bits = (self.program.heads - 1).bit_length()
            own["head"] = (self.source.types.bits(bits, signed=False), 0)
        self.source.struct(name, own)

    @property
    def passed_head(self) -> list[str]:
        """The statement that hands the head of a vector on."""
        return ["y.head = x.head;"] if self.program.heads > 1 else []

    def process(
        self,
        name: str,
        gives: str,
        body: Sequence[str],
        loops: int | Sequence[Loop],
        comment: str = "",
        calls: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        """A function from the stream at the end of the chain to a new one.

        ``loops`` are its pipelined loops, one after the other; a number is one of so many turns, a
        turn a clock, with all operators that were named. ``calls`` are the functions of a vector,
        and what they give, that it consists of; None where it is made of more.
        """
        if calls is None or self.vector_functions is None:
            self.vector_functions = None
        else:
            self.vector_functions += calls
        head = f"{name}(hls::stream<{self.at.struct}> &in, hls::stream<{gives}> &out)"
        self.source.function(head, body, comment)
        # A turn reads a beat, and hands another on.
        made = [Loop(loops, self.source.used(), 1, DEPTH)] if isinstance(loops, int) else loops
        clocks = sum(own.starts for own in made)
        # Every turn reads every memory.
        made = self.source.reading(made)
        self.source.keeps(1, self.source.struct_bits[self.at.struct], writers=0)
        work = self.source.work(name, made)
        self.processes.append(Process(name, gives, clocks, work))
        self.at = Beats(gives, self.at.formats)

    def moves_on(self, struct: str, formats: tuple[CodeFormat, ...]) -> None:
        """Say of which formats the codes at the end of the chain are."""
        self.at = Beats(struct, formats)


@dataclass(frozen=True)
class StageSite:
    """A planned stage whose C++ is written.

    Parameters
    ----------
    chain
        To which it is added.
    planned
        The stage.
    number
        Its place.
    """

    chain: Chain
    planned: PlannedStage
    number: int

    @property
    def source(self) -> Source:
        """What is written to."""
        return self.chain.source

    def name(self, index: int) -> str:
        """What names of a layer begin with."""
        return f"layer{index}"

    @property
    def formats(self) -> tuple[CodeFormat, ...]:
        """Of the codes that come in."""
        return self.chain.at.formats

    def edges(self, index: int, layer: ProgramLayer, fold: Fold) -> EdgeSite:
        """The place of a layer's edges."""
        layers = (
            tuple(layer.head(h) for h in range(len(layer.heads)))
            if isinstance(layer, ResidentLayer)
            else (layer,)
        )
        formats = self.chain.program.layers[index].accumulator_formats or ()
        sums = tuple(form.width for form in formats)
        return EdgeSite(self.source, self.name(index), layers, fold, self.formats, sums)
