"""The smallest network."""

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer


@pytest.fixture(scope="session")
def small():
    """One feature of 2 bits, one output of 3."""
    tables = np.random.default_rng(5).integers(-3, 4, (1, 1, 4))
    requantizer = Requantizer(np.ones((1, 1), int), np.zeros(1, int), 0, CodeFormat(3, True))
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(2, True), 1))
