"""Fashion-MNIST with one bit a pixel."""

import gzip

import numpy as np
import pytest

from benchmarks.common import data
from benchmarks.fabric.images import IMAGES, THRESHOLD


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FASHION_VALIDATION", 4)
    rng = np.random.default_rng(0)
    for name, count in (("train", 12), ("t10k", 5)):
        images = rng.integers(0, 12, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
            with gzip.open(tmp_path / f"{name}-{kind}-ubyte.gz", "wb") as file:
                file.write(head + values.tobytes())
    return tmp_path


def test_bits_are_pixels_above_the_threshold(folder):
    grey, binary = (IMAGES[name](folder) for name in ("fashion_mnist", "fashion_binary"))
    for part in ("train", "validation", "test"):
        pixels, bits = (getattr(own, f"{part}_x") for own in (grey, binary))
        levels = np.round((pixels * 0.3530 + 0.2860) * 255)
        assert np.array_equal(bits, levels > 255 * THRESHOLD)
        assert set(np.unique(bits)) == {0, 1}
        assert np.array_equal(*(getattr(own, f"{part}_y") for own in (grey, binary)))
    assert [len(own) for own in (binary.train_x, binary.validation_x, binary.test_x)] == [8, 4, 5]
