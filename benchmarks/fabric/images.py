"""Fashion-MNIST for learned widths: all pixels unrolled, as they are or as one bit each.

    python -m benchmarks.fabric.images [--folder DIR]

prints what the validation part says of thresholds for one bit: accuracies of a perceptron 784-16-10
that is trained for 6 epochs on the bits that each of them gives. Test rows are not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common.data import FASHION_DEVIATION, FASHION_FOLDER, FASHION_MEAN, Dataset
from benchmarks.common.data import fashion_mnist as standardised
from benchmarks.common.measuring import Table, argument_parser
from kanhw.formats import FloatArray

__all__ = ["IMAGES", "THRESHOLD", "fashion_binary", "fashion_mnist"]

# Of pixels from 0 to 1: what validation preferred to the others.
THRESHOLD = 0.02
TRIED = (0.02, 0.1, 0.25, 0.5)
EPOCHS, BATCH, RATE, FALL = 6, 256, 2e-3, 0.7


def fashion_mnist(folder: Path = FASHION_FOLDER) -> Dataset:
    """784 pixels of 256 values each."""
    return standardised(folder)


def fashion_binary(
    folder: Path = FASHION_FOLDER, threshold: float | FloatArray = THRESHOLD
) -> Dataset:
    """784 pixels of one bit each: whether they are brighter than a share of white."""
    given = standardised(folder)

    def bits(x: FloatArray) -> FloatArray:
        return (x * FASHION_DEVIATION + FASHION_MEAN > threshold).astype(np.float64)

    return replace(
        given,
        name="fashion_binary",
        train_x=bits(given.train_x),
        validation_x=bits(given.validation_x),
        test_x=bits(given.test_x),
    )


IMAGES: dict[str, Callable[[Path], Dataset]] = {
    "fashion_mnist": fashion_mnist,
    "fashion_binary": fashion_binary,
}


def perceptron(given: Dataset) -> float:
    """The accuracy on the validation part, in percent."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    both = given.train_x, given.validation_x
    x, held_out = (torch.tensor(own, dtype=torch.float32) for own in both)
    y, labels = torch.tensor(given.train_y), torch.tensor(given.validation_y)
    net = nn.Sequential(nn.Linear(784, 16), nn.Hardtanh(), nn.Linear(16, 10))
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, FALL)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(x)), BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        schedule.step()
    return float(100 * (net(held_out).argmax(1) == labels).double().mean())


def main() -> int:
    """Compare thresholds."""
    parser = argument_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=FASHION_FOLDER)
    folder = parser.parse_args().folder
    pixels = fashion_mnist(folder).train_x * FASHION_DEVIATION + FASHION_MEAN
    thresholds = {f"{own:g}": own for own in TRIED}
    table = Table(("threshold", "validation (%)"), (19, 14))
    for name, own in {**thresholds, "each pixel's median": np.median(pixels, axis=0)}.items():
        table.add(name, f"{perceptron(fashion_binary(folder, own)):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
