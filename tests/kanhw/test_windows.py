"""Windows that do not fit their image, and the largest that does."""

import re

import pytest

from kanhw.errors import InputError
from kanhw.windows import Window


@pytest.mark.parametrize(
    ("size", "padding", "dilation", "largest"),
    [
        ((5, 2), (0, 0), (1, 1), (4, 7)),
        ((3, 3), (0, 0), (2, 1), (2, 7)),
        ((1, 6), (0, 1), (1, 2), (4, 5)),
    ],
)
def test_a_window_that_does_not_fit_is_told_which_does(size, padding, dilation, largest):
    with pytest.raises(InputError, match=re.escape(f"of (4, 7): at most {largest} do")):
        Window((1, 4, 7), size, padding=padding, dilation=dilation)
    assert Window((1, 4, 7), largest, padding=padding, dilation=dilation).out_size >= (1, 1)
    for axis in range(2):
        larger = tuple(n + (k == axis) for k, n in enumerate(largest))
        with pytest.raises(InputError, match="do not fit"):
            Window((1, 4, 7), larger, padding=padding, dilation=dilation)
