"""The codes of a network's features brought into their ranges."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Value

from kanhw.formats import IntArray
from kanhw.gateware.parts.address import FREE_ADDRESS_BITS, Address, input_addresses
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.range_clamp import RangeClamp
from kanhw.gateware.parts.signals import delayed
from kanhw.gateware.stream.input_stage import InputStage
from kanhw.gateware.stream.stage import Payload
from kanhw.program import InputEncoder
from kanhw.schedule.transfer import Transfer

__all__ = [
    "InputRanges",
    "feature_clamp",
    "feature_places",
    "input_payload",
    "is_clamped",
    "ranged_address",
    "ranged_payload",
]


def is_clamped(encoder: InputEncoder, *, as_codes: bool) -> bool:
    """True where features need hardware that clamps their codes.

    Tables whose addresses are narrow contain the clamp, as they contain the saturation of narrow
    sums; nothing is needed in front of them.

    Parameters
    ----------
    encoder
        Of the features.
    as_codes
        Whether only the code itself will do for the first layer.
    """
    return encoder.ranged and (as_codes or encoder.format.width > FREE_ADDRESS_BITS)


def ranged_address(encoder: InputEncoder, feature: int, *, as_codes: bool) -> Address:
    """The form in which the code of a feature goes on to the first layer.

    Parameters
    ----------
    encoder
        Of the features.
    feature
        Which one.
    as_codes
        Whether only the code itself will do; else it travels as it came, or clamped and from its
        smallest on, in as many bits as its range needs.
    """
    format = encoder.format
    lo, hi = (int(end[feature]) - format.lo for end in encoder.code_ends)
    if as_codes:
        return Address(format.width, lo, hi, format.width)
    if not is_clamped(encoder, as_codes=as_codes):
        return Address(format.width, 0, format.count - 1, format.width, first=lo, last=hi)
    width = max((hi - lo).bit_length(), 1)
    return Address(width, 0, hi - lo, format.width, lo)


def feature_clamp(encoder: InputEncoder, features: IntArray, *, as_codes: bool) -> RangeClamp:
    """The clamp of features that take turns, to what :func:`ranged_address` says.

    Parameters
    ----------
    encoder
        Of the features, which :func:`is_clamped` says need it.
    features
        ``[turns]``: which feature it is; -1 for none. Only one, unless ``as_codes``.
    as_codes
        As for :func:`ranged_address`.
    """
    lo, hi = (end[features] - encoder.format.lo for end in encoder.code_ends)
    return RangeClamp(encoder.format.width, lo, hi, origin=0 if as_codes else int(lo[0]))


def ranged_payload(encoder: InputEncoder, inputs: Payload, *, as_codes: bool) -> Payload:
    """A network's input as it goes on to the first layer.

    Parameters
    ----------
    encoder, as_codes
        As for :func:`ranged_address`.
    inputs
        The input as it comes: all codes of the format.
    """
    places, format = feature_places(encoder, inputs), encoder.format
    whole = Address(format.width, 0, format.count - 1, format.width)
    stream = tuple(
        whole if len(lane) > 1 else ranged_address(encoder, int(lane[0]), as_codes=as_codes)
        for lane in places.T
    )
    return replace(inputs, streams=(stream,))


def input_payload(encoder: InputEncoder, comes: Transfer) -> Payload:
    """A network's input as it comes: all codes of the format.

    Parameters
    ----------
    encoder
        Of the features.
    comes
        In how many beats.
    """
    addresses = input_addresses(encoder.format, comes.count)
    return Payload((addresses,), comes.beats, length=comes.length, channels=comes.channels)


def feature_places(encoder: InputEncoder, inputs: Payload) -> IntArray:
    """Which features are where, ``[turns, count]``: a pixel is all channels, of all positions."""
    places = inputs.places(encoder.n_in)
    image = inputs.beats > 1 and inputs.length is None
    return places[:1] if image else places


class InputRanges(InputStage):
    """Clamps every code of a network's input to the range of its feature.

    Equals :meth:`kanhw.program.InputEncoder.clamp`: a code outside counts as the nearest end.
    Beats go through one by one.

    Parameters
    ----------
    encoder
        Of the features, which :func:`is_clamped` says need it.
    inputs
        All codes of the format, whole vectors or pixels unless ``as_codes``.
    as_codes
        Whether only codes' own addresses will do.
    """

    def __init__(self, encoder: InputEncoder, inputs: Payload, *, as_codes: bool) -> None:
        places = feature_places(encoder, inputs)
        self._turns = len(places)
        self._clamps = [feature_clamp(encoder, lane, as_codes=as_codes) for lane in places.T]
        super().__init__(inputs, ranged_payload(encoder, inputs, as_codes=as_codes))

    @property
    def costs(self) -> HardwareCosts:
        """The clamps, which feature's turn it is, and a valid bit for every register."""
        waiting = (self.latency - 1) * self.inputs.layout.size
        turn = (self._turns - 1).bit_length()
        own = HardwareCosts(register_bits=waiting + turn + self.latency, counters=turn)
        return sum((clamp.costs for clamp in self._clamps), own)

    @property
    def latency(self) -> int:
        """Clock edges from a beat to itself."""
        return 1 if self._turns == 1 else 2

    @property
    def turns(self) -> int:
        """Beats of a vector whose features take turns; 1 where all beats are alike."""
        return self._turns

    def change(self, m: Module, pipeline: Module, turn: Value | None) -> None:
        """A clamp for every code of a beat."""
        for k, clamp in enumerate(self._clamps):
            pipeline.submodules[f"clamp{k}"] = clamp
            # The ends of a code's range are read by turn a clock before it is clamped: it waits.
            code = delayed(pipeline, self.i.payload["0"][str(k)], self.latency - 1, f"code{k}")
            if turn is not None:
                m.d.comb += clamp.turn.eq(turn)
            m.d.comb += [clamp.i.eq(code), self.o.payload["0"][str(k)].eq(clamp.o)]
