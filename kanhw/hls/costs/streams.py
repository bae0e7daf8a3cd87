"""What a stream between two processes takes, as Vivado HLS makes it: two beats deep."""

from __future__ import annotations

from kanhw.hls.costs.work import Taken

__all__ = ["stream_costs"]

# Reports of public projects (Vivado HLS, before 2020): 44 look-up tables at 32 bits, 84 at 72, and
# 5 flip-flops each.
_CONTROL = Taken(lut=12, ff=5)


def stream_costs(bits: int) -> Taken:
    """A shift register of a look-up table a bit, and what counts its beats.

    A stream of 416 bits was of block RAMs in one such report, and one of 72 bits was not; from how
    many on is not known, so that wide ones are counted as shift registers, too.

    Parameters
    ----------
    bits
        Of a beat.
    """
    return Taken(lut=bits) + _CONTROL
