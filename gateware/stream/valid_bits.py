"""The handshake of a pipeline that is stalled as a whole."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["valid_bits"]


def valid_bits(m: Module, entering: Value, latency: int, o: Any) -> Signal:
    """Valid bits beside a pipeline, up to its output stream.

    The pipeline moves unless its end holds a result that nobody takes.

    Parameters
    ----------
    m
        Where the bits go.
    entering
        Whether something enters the pipeline when it moves.
    latency
        Of the pipeline, at least 1.
    o
        The stream whose ``valid`` to drive.

    Returns
    -------
    Whether the pipeline moves: the enable of its registers and the readiness of its input.
    """
    moves, valid = Signal(name="moves"), Signal(latency, name="valid")
    m.d.comb += [o.valid.eq(valid[-1]), moves.eq(~o.valid | o.ready)]
    with m.If(moves):
        m.d.sync += valid.eq(Cat(entering, valid)[:latency])
    return moves
