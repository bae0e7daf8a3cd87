"""Payload words of nothing, which a design that loses everything hands out."""

import numpy as np
import pytest

from kanhw.design.design import Port
from kanhw.design.packing import payload_bytes, unpack_codes
from kanhw.formats import CodeFormat


@pytest.mark.parametrize("port", [Port(2, CodeFormat(3, True), 3, 5), Port(2, CodeFormat(3, True))])
def test_no_payloads_are_no_vectors(port):
    words = np.empty((0, payload_bytes(port)), np.uint8)
    assert unpack_codes(words, port).shape == (0, port.total)
