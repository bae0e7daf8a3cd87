"""Windows out of pixels: the right pixels, the right padding, at the declared edges."""

import numpy as np
import pytest

from kanhw.gateware.image.line_buffer import LineBuffer
from kanhw.schedule.raster import Raster
from kanhw.windows import Window

WIDTH = 5


def _expected(window, images):
    """Pixels ``[images * positions, taps]`` and which of them are padding."""
    plane = Window((1, *window.shape[1:]), *_fields(window))
    values, present = plane.gather(images, 0)
    padding = np.broadcast_to(~present, values.shape)
    return values.reshape(-1, plane.taps), padding.reshape(-1, plane.taps)


def _fields(window):
    return window.size, window.stride, window.padding, window.dilation


def _decoded(words, taps):
    fields = [[(word >> (WIDTH * k)) & (2**WIDTH - 1) for k in range(taps)] for word in words]
    flags = [[(word >> (WIDTH * taps + k)) & 1 for k in range(taps)] for word in words]
    return np.array(fields), np.array(flags, bool)


# Large images, whose sizes, strides, paddings and dilations others have too.
LONG = {0, 4, 10, 13}


@pytest.mark.some(4)
@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[pytest.mark.slow] if k in LONG else []) for k in range(16)]
)
def test_windows_and_their_timing(seed, random_window, stream_run):
    rng = np.random.default_rng(seed)
    shape = (1, *rng.integers(1, 7, 2).tolist())
    window = random_window(rng, shape)
    unit = LineBuffer(window, WIDTH)
    images = rng.integers(0, 2**WIDTH, (6, window.n_in))
    expected = _expected(window, images)
    for chances, pause in (((1, 1), 0), ((1, 1), 3), ((1, 1), 30), ((0.6, 0.5), 0), ((0.3, 1), 5)):
        # The pace is that of the last images; three show what pauses do.
        count = 6 if (chances, pause) == ((1, 1), 0) else 3
        values, padding = (rows[: count * window.positions] for rows in expected)
        run = stream_run(
            unit,
            images[:count].ravel().tolist(),
            len(values),
            chances=chances,
            pause=pause,
            every=window.n_in,
        )
        pixels, flags = _decoded(run.words, values.shape[1])
        np.testing.assert_array_equal(flags, padding)
        np.testing.assert_array_equal(np.where(flags, 0, pixels), values)
        ends = run.taken[window.positions - 1 :: window.positions]
        if chances == (1, 1):
            assert ends[0] - run.accepted[window.n_in - 1] == unit.latency
        if chances == (1, 1) and not pause:
            assert set(np.diff(ends[2:]).tolist()) == {unit.interval}


@pytest.mark.parametrize(
    ("size", "stride", "padding", "dilation", "interval", "latency"),
    [
        (3, 1, 1, 1, 64, 10),  # "same": a row and a pixel behind
        (3, 2, 1, 1, 64, 1),  # the last window ends at the last pixel
        (5, 1, 2, 1, 64, 19),
        (3, 1, 2, 2, 64, 19),
        (2, 2, 0, 1, 64, 1),
        (1, 2, 0, 1, 64, -8),  # the last row and column are in no window
        (3, 1, 2, 1, 100, 23),  # more windows than pixels to a row
    ],
)
def test_timing_by_hand(size, stride, padding, dilation, interval, latency):
    pairs = [(v, v) for v in (size, stride, padding, dilation)]
    unit = LineBuffer(Window((3, 8, 8), *pairs), 24)
    assert (unit.interval, unit.latency) == (interval, latency)


def test_only_taps_that_reach_over_the_edge_can_be_padding():
    padded = Raster(Window((1, 6, 6), (3, 3), (2, 2), (1, 1))).padded
    # With stride 2 the last window ends inside the image.
    np.testing.assert_array_equal(
        padded, [[True, True, True], [True, False, False], [True, False, False]]
    )
    assert not Raster(Window((1, 6, 6), (3, 3))).padded.any()
