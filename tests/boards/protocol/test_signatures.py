"""The self-test's vectors and signature against the registers, step by step."""

import numpy as np
import pytest

from kanhw.boards.protocol.signatures import (
    SIGNATURE_START,
    folded,
    generated_beats,
    lane_seeds,
    lanes_of,
    signature_of,
    step,
)


def integers(beats):
    return [int.from_bytes(row.tobytes(), "little") for row in beats]


@pytest.mark.parametrize("width", [1, 5, 32, 100])
def test_vectors_and_signature_are_those_of_the_registers(width):
    lanes, expected, signature = lane_seeds(lanes_of(width)), [], SIGNATURE_START
    for _ in range(200):
        beat = sum(lane << 32 * k for k, lane in enumerate(lanes)) & ((1 << width) - 1)
        expected.append(beat)
        signature = step(signature) ^ folded(beat)
        lanes = [step(lanes[k - 1]) for k in range(len(lanes))]
    beats = generated_beats(width, 200)
    assert integers(beats) == expected
    assert integers(generated_beats(width, 50, 130)) == expected[130:180]
    assert signature_of(iter([beats])) == signature
    assert signature_of(iter([beats[:1], beats[1:140], beats[140:]])) == signature


def test_the_register_has_its_full_period():
    # 2^32 - 1 = 3 * 5 * 17 * 257 * 65537: no shorter period, so the polynomial is primitive.
    def power(state, steps):
        # The matrix of steps, squared along the bits of their number.
        columns = [step(1 << k) for k in range(32)]
        for bit in bin(steps)[2:][::-1]:
            if bit == "1":
                state = apply(columns, state)
            columns = [apply(columns, column) for column in columns]
        return state

    def apply(columns, state):
        result = 0
        for k in range(32):
            result ^= columns[k] if state >> k & 1 else 0
        return result

    assert power(1, 2**32 - 1) == 1
    assert all(power(1, (2**32 - 1) // prime) != 1 for prime in (3, 5, 17, 257, 65537))


def test_any_other_bit_is_another_signature():
    beats = generated_beats(40, 500)
    right = signature_of(iter([beats]))
    generator = np.random.default_rng(1)
    for row, bit in zip(generator.integers(0, 500, 40), generator.integers(0, 40, 40), strict=True):
        wrong = beats.copy()
        wrong[row, bit // 8] ^= 1 << bit % 8
        assert signature_of(iter([wrong])) != right
