"""What a self-test must give: the signature of the golden model's outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kanhw.boards.protocol.signatures import generated_beats, signature_of
from kanhw.design.design import Port
from kanhw.design.packing import pack_codes, unpack_codes
from kanhw.formats import IntArray
from kanhw.program import Program

__all__ = ["expected_signature", "generated_vectors"]

_AT_ONCE = 1 << 16


def generated_vectors(
    program: Program, port: Port, count: int, first: int = 0
) -> tuple[IntArray, IntArray]:
    """The self-test's vectors as the network sees them.

    Parameters
    ----------
    program, port
        The network and its input.
    count
        How many vectors.
    first
        The number of the first one.

    Returns
    -------
    codes : int64 ``[count, n_in]``
    heads : int64 ``[count]``
        Of a network with several heads, the one that each vector is for.
    """
    beats = generated_beats(port.width, count * port.beats, first * port.beats)
    codes = unpack_codes(beats, port)
    if port.head_bits == 0:
        return codes, np.zeros(count, np.int64)
    bits = np.unpackbits(beats[:: port.beats], axis=1, bitorder="little")
    head_bits = bits[:, port.data_width : port.width].astype(np.int64)
    heads = head_bits @ (1 << np.arange(port.head_bits))
    # The hardware takes a number beyond the last head for the last one.
    return codes, np.minimum(heads, program.heads - 1)


def expected_signature(program: Program, ports: tuple[Port, Port], vectors: int) -> int:
    """The signature of the golden model's outputs for the self-test's first vectors.

    Parameters
    ----------
    program
        The golden model.
    ports
        The network's input and output.
    vectors
        How many.
    """
    return signature_of(_outputs(program, ports, vectors))


def _outputs(
    program: Program, ports: tuple[Port, Port], vectors: int
) -> Iterator[npt.NDArray[np.uint8]]:
    inputs, outputs = ports
    step = max(1, _AT_ONCE // inputs.beats)
    for first in range(0, vectors, step):
        count = min(step, vectors - first)
        codes, heads = generated_vectors(program, inputs, count, first)
        results = program(codes, heads) if program.heads > 1 else program(codes)
        yield _without_filling(pack_codes(results, outputs), outputs)


def _without_filling(words: npt.NDArray[np.uint8], port: Port) -> npt.NDArray[np.uint8]:
    """Beats in which what fills up a vector's last one is 0, as the signature takes them."""
    filling = (port.count * port.beats - port.total) * port.lane_bits
    if not filling:
        return words
    bits = np.unpackbits(words, axis=1, bitorder="little")
    bits[port.beats - 1 :: port.beats, port.data_width - filling :] = 0
    return np.packbits(bits, axis=1, bitorder="little")
