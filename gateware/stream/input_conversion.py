"""The encoder on chip: codes of a sensor to those of the network, a beat a clock."""

from __future__ import annotations

from amaranth.hdl import Module, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import delayed
from kanhw.gateware.stream.code_conversion import CodeConversion
from kanhw.gateware.stream.input_ranges import feature_places, ranged_payload
from kanhw.gateware.stream.input_stage import InputStage
from kanhw.gateware.stream.stage import Payload
from kanhw.program import InputConversion, InputEncoder

__all__ = ["ConversionStage", "InputConverter", "converted_payload"]


def converted_payload(conversion: InputConversion, inputs: Payload) -> Payload:
    """A network's input as it goes on to the first layer: codes in their ranges.

    Parameters
    ----------
    conversion
        What makes them.
    inputs
        The input as it comes.
    """
    return ranged_payload(conversion.codes, inputs, as_codes=True)


class InputConverter(Component):
    """All codes of a beat converted, each ``latency`` cycles later.

    Parameters
    ----------
    conversion
        Of the features.
    input
        What comes in.
    inputs
        In which beats.
    levels
        Adder levels between two registers.

    Members
    -------
    i : In(a stream's layout of ``inputs``)
    turn : In(unsigned), which beat of a vector it is
    o : Out(a stream's layout of what :func:`converted_payload` says)
    """

    def __init__(
        self, conversion: InputConversion, input: InputEncoder, inputs: Payload, levels: int
    ) -> None:
        places = feature_places(input, inputs)
        self._turns = len(places)
        self._lanes = [CodeConversion(conversion, input, lane, levels) for lane in places.T]
        self.outputs = converted_payload(conversion, inputs)
        super().__init__(
            {
                "i": In(inputs.layout),
                "turn": In(unsigned(max((self._turns - 1).bit_length(), 1))),
                "o": Out(self.outputs.layout),
            }
        )

    @property
    def turns(self) -> int:
        """Beats of a vector whose features take turns; 1 where all beats are alike."""
        return self._turns if any(lane.turns > 1 for lane in self._lanes) else 1

    @property
    def latency(self) -> int:
        """Cycles from a beat to itself: those of the slowest code."""
        return max(lane.latency for lane in self._lanes)

    @property
    def costs(self) -> HardwareCosts:
        """Every code's, and registers in which quick ones wait."""
        total = HardwareCosts()
        for lane in self._lanes:
            waiting = (self.latency - lane.latency) * len(lane.i)
            total += lane.costs + HardwareCosts(register_bits=waiting)
        return total

    def elaborate(self, platform: object) -> Module:
        """A conversion for every code; those with fewer registers start later."""
        m = Module()
        for k, lane in enumerate(self._lanes):
            m.submodules[f"lane{k}"] = lane
            waits = self.latency - lane.latency
            code, turn = self.i["0"][str(k)], self.turn
            m.d.comb += [
                lane.i.eq(delayed(m, code, waits, f"code{k}")),
                lane.turn.eq(delayed(m, turn, waits, f"turn{k}")),
                self.o["0"][str(k)].eq(lane.o),
            ]
        return m


class ConversionStage(InputStage):
    """Makes the network's codes of every code that comes in; beats go through one by one.

    Equals :class:`kanhw.program.InputConversion`.

    Parameters
    ----------
    conversion
        Of the features.
    input
        What comes in.
    inputs
        In which beats.
    levels
        Adder levels between two registers.
    """

    def __init__(
        self, conversion: InputConversion, input: InputEncoder, inputs: Payload, levels: int
    ) -> None:
        self._converter = InputConverter(conversion, input, inputs, levels)
        super().__init__(inputs, self._converter.outputs)

    @property
    def costs(self) -> HardwareCosts:
        """The conversions, whose turn it is, and a valid bit for every register."""
        turn = (self.turns - 1).bit_length()
        own = HardwareCosts(register_bits=turn + self.latency, counters=turn)
        return self._converter.costs + own

    @property
    def latency(self) -> int:
        """Clock edges from a beat to itself."""
        return self._converter.latency

    @property
    def turns(self) -> int:
        """Beats of a vector whose features take turns; 1 where all beats are alike."""
        return self._converter.turns

    def change(self, m: Module, pipeline: Module, turn: Value | None) -> None:
        """The conversions of a beat."""
        pipeline.submodules.converter = converter = self._converter
        m.d.comb += [converter.i.eq(self.i.payload), self.o.payload.eq(converter.o)]
        if turn is not None:
            m.d.comb += converter.turn.eq(turn)
