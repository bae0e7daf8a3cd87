"""Reading windows word by word from a memory of the last rows finds every tap, and never early."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.gateware.image.window_buffer import WindowBuffer
from kanhw.schedule.window_fold import WindowFold, window_fold
from kanhw.windows import Window

PAUSES = [(1.0, 1.0), (0.5, 1.0), (1.0, 0.4)]


@st.composite
def windows(draw):
    """Small windows, some larger than the image, where padding makes room."""
    pair = st.tuples
    shape = draw(pair(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7)))
    size, stride, dilation = (
        draw(pair(st.integers(1, most), st.integers(1, most))) for most in (4, 3, 3)
    )
    padding = draw(pair(st.integers(0, 3), st.integers(0, 3)))
    spans = zip(shape[1:], padding, dilation, size, strict=True)
    assume(all(length + 2 * pad > step * (count - 1) for length, pad, step, count in spans))
    return Window(shape, size, stride, padding, dilation)


def _first_words(fold):
    """Number of the first tap's word of every window of two images, and its row and column."""
    rows, columns = fold.window.out_size
    in_row, to_row, to_image = fold.moves
    word, found = fold.start, []
    for image in range(2):
        for row in range(rows):
            for column in range(columns):
                found.append((image, row, column, word))
                word += in_row if column < columns - 1 else to_row if row < rows - 1 else to_image
    return found


@given(window=windows(), inputs=st.integers(1, 24))
def test_every_tap_is_found_while_it_is_kept(window, inputs):
    fold = window_fold(window, inputs)
    buffer = WindowBuffer(fold, 1, 1)
    lacking, in_row, to_row = buffer.lacking
    _, height, width = window.shape
    assert sorted(fold.order[fold.order >= 0].tolist()) == list(range(window.taps))
    assert fold.channels * fold.taps <= max(inputs, fold.channels)
    needed, freed = lacking, 0
    for image, row, column, word in _first_words(fold):
        position = row * window.out_size[1] + column
        expected = window.index[position]
        start = image * fold.words
        for beat, inputs_of_beat in enumerate(fold.order):
            turn, pixel_beat = divmod(beat, fold.pixel_beats)
            for lane, tap in enumerate(inputs_of_beat.tolist()):
                k, channel = divmod(lane, fold.channels)
                if tap < 0:
                    continue
                outside = (
                    fold.outside[0][row][fold.tap_rows[turn, k]]
                    | fold.outside[1][column][fold.tap_columns[turn, k]]
                )
                assert outside == (expected[tap] < 0)
                if outside:
                    continue
                here = word + fold.distances[turn, k] + pixel_beat
                pixel, part = divmod(int(here) - start, fold.pixel_beats)
                value = (part * fold.channels + channel) * height * width + pixel
                assert value == expected[tap]
                # Not read before it has come, nor after its place has been given away.
                assert freed <= here < needed
        assert needed <= freed + fold.depth
        last = column == window.out_size[1] - 1
        needed += to_row[row] if last else in_row[column]
        freed += buffer.freed[row] if last else 0


def test_even_beats():
    window = Window((10, 8, 8), (3, 3), (1, 1), (1, 1))
    sizes = {1: (1, 1), 4: (4, 1), 7: (5, 1), 10: (10, 1), 25: (10, 2), 47: (10, 3), 999: (10, 9)}
    for inputs, (channels, taps) in sizes.items():
        assert window_fold(window, inputs) == WindowFold(window, channels, taps)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((11, 1), "channels must be 1 to 10, not 11"),
        ((10, 0), "taps must be 1 to 9, not 0"),
        ((5, 2), "2 taps are read at a time only as whole pixels of 10 channels, not 5 channels"),
    ],
)
def test_refuses(sizes, message):
    with pytest.raises(InputError, match=rf"\A{message}"):
        WindowFold(Window((10, 8, 8), (3, 3)), *sizes)


def _expected(fold, images, groups):
    """What a buffer gives: for each beat the words of its taps, or None, and the step."""
    pixels = images.reshape(len(images), -1, fold.pixel_beats)
    beats = []
    for word in _first_words(fold)[: fold.window.positions]:
        for step in range(fold.beats * groups):
            turn, pixel_beat = divmod(step % fold.beats, fold.pixel_beats)
            places = [int(word[3] + fold.distances[turn, k] + pixel_beat) for k in range(fold.taps)]
            outside = [
                fold.outside[0][word[1]][fold.tap_rows[turn, k]]
                | fold.outside[1][word[2]][fold.tap_columns[turn, k]]
                for k in range(fold.taps)
            ]
            beats.append((places, outside, step))
    return [
        (
            [
                None if out else int(image.ravel()[at])
                for at, out in zip(places, outside, strict=True)
            ],
            step,
        )
        for image in pixels
        for places, outside, step in beats
    ]


@pytest.mark.some(3)
@pytest.mark.parametrize("chances", PAUSES)
@pytest.mark.parametrize(
    ("window", "inputs", "groups"),
    [
        (Window((1, 4, 5), (3, 3), (1, 1), (1, 1)), 1, 2),
        (Window((3, 3, 4), (2, 2), (2, 1), (1, 0), (1, 2)), 2, 1),
        (Window((2, 4, 3), (2, 3), (1, 2), (0, 1)), 6, 1),
    ],
)
def test_buffer(window, inputs, groups, chances, stream_run):
    fold = window_fold(window, inputs)
    unit = WindowBuffer(fold, 6, groups)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 64, (3, fold.words))
    expected = _expected(fold, images, groups)
    run = stream_run(unit, images.ravel().tolist(), len(expected), chances=chances)
    mask = (1 << fold.taps) - 1
    for word, (values, step) in zip(run.words, expected, strict=True):
        pad = word >> (6 * fold.taps)
        for k, value in enumerate(values):
            assert (pad >> k & 1) == (value is None)
            assert value in (None, word >> (6 * k) & 63)
        marks = pad & ~mask
        place = step % fold.beats
        ends = (place == 0) | (place == fold.beats - 1) << 1
        assert marks >> fold.taps == step | ends << unit.step_bits
