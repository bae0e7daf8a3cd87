"""Sums of tables of which most are absent, as in pruned networks of hundreds of inputs."""

import numpy as np
import pytest

from kanhw.program.functions.tables import edge_table_sums

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("padded", [False, True])
def test_absent_edges_add_nothing(kind, density, padded):
    rng = np.random.default_rng(0)
    tables = rng.integers(-9, 9, (3, 7, 8)) * (rng.random((3, 7, 1)) < density)
    addresses = rng.integers(0, 8, (20, 7))
    present = rng.integers(0, 2, (20, 7)) if padded else np.ones((20, 7), np.int64)
    expected = [
        [sum(tables[j, i, row[i]] * there[i] for i in range(7)) for j in range(3)]
        for row, there in zip(addresses, present, strict=True)
    ]
    given = kind(present) if padded else None
    sums = edge_table_sums(kind(tables), kind(addresses), given)
    assert np.asarray(sums).tolist() == expected
    assert np.asarray(sums).dtype == np.int64
