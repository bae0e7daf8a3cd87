"""The data that quantization is measured on, each in a training, a validation and a test part.

Test parts select nothing: settings, bit widths and float networks are chosen on validation parts,
which are cut from the training data with a fixed seed. Features are scaled by statistics of the
published training part, before validation is cut from it, so that test features are exactly those
of the reference networks; the test part takes no part in the scaling.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.common.measuring import reference_folder
from kanhw.formats import FloatArray

__all__ = [
    "FORMULAS",
    "LOADERS",
    "Dataset",
    "Formula",
    "digits",
    "dry_bean",
    "fashion_mnist",
    "heat",
    "load",
    "poisson",
    "split_rows",
    "wine",
]

IntArray = npt.NDArray[np.int64]

# Of what is not held out for testing.
VALIDATION_SHARE = 0.2
VALIDATION_SEED = 1

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_SEED = 0
FASHION_VALIDATION = 10_000
FASHION_MEAN, FASHION_DEVIATION = 0.2860, 0.3530

FORMULA_SEED = 0
FORMULA_ROWS = (2000, 500, 2000)
DIFFUSIVITY = 0.1


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features [N, n_in] in float64, and labels [N] in int64 or values [N, n_out] in float64.

    Parameters
    ----------
    name
        What :func:`load` and the caches call it.
    train_x, train_y, validation_x, validation_y, test_x, test_y
        The three parts, which share no row.
    classes
        How many labels there are; None where values are learned.
    """

    name: str
    train_x: FloatArray
    train_y: FloatArray | IntArray
    validation_x: FloatArray
    validation_y: FloatArray | IntArray
    test_x: FloatArray
    test_y: FloatArray | IntArray
    classes: int | None

    @property
    def n_in(self) -> int:
        """Features."""
        return int(self.train_x.shape[1])

    @property
    def n_out(self) -> int:
        """Outputs of a network for it."""
        return self.classes or int(self.train_y.shape[1])

    @property
    def unit(self) -> str:
        """What ``networks.score`` measures here, for headings and axes."""
        return "RMSE (% of range)" if self.classes is None else "accuracy (%)"


def split_rows(
    labels: npt.NDArray[np.generic], test_share: float, seed: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Rows of the training, validation and test part, every label in the same share in each.

    The test part is that of scikit-learn's ``train_test_split(test_size=test_share,
    random_state=seed, stratify=labels)``; validation is cut from its training part.
    """
    from sklearn.model_selection import train_test_split

    rest, test = train_test_split(
        np.arange(len(labels)), test_size=test_share, random_state=seed, stratify=labels
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION_SHARE, random_state=VALIDATION_SEED, stratify=labels[rest]
    )
    return train, validation, test


def _classified(
    name: str, x: FloatArray, labels: IntArray, rows: tuple[IntArray, IntArray, IntArray]
) -> Dataset:
    parts: list[Any] = []
    for chosen in rows:
        parts += [x[chosen], labels[chosen].astype(np.int64)]
    parts.append(int(labels.max()) + 1)
    return Dataset(name, *parts)


def _standardised(x: FloatArray, rows: tuple[IntArray, IntArray, IntArray]) -> FloatArray:
    """Mean 0 and deviation 1 of every feature over all rows but those of the test part."""
    published = x[np.concatenate(rows[:2])]
    scaled: FloatArray = (x - published.mean(axis=0)) / published.std(axis=0)
    return scaled


def digits() -> Dataset:
    """scikit-learn's digits, 8 by 8 pixels / 16, split as the reference networks were."""
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    return _classified("digits", x / 16, labels, split_rows(labels, 0.25, 0))


def wine() -> Dataset:
    """scikit-learn's wine, standardised, split as the reference networks were: for quick tests."""
    from sklearn.datasets import load_wine

    x, labels = load_wine(return_X_y=True)
    rows = split_rows(labels, 0.25, 0)
    return _classified("wine", _standardised(x, rows), labels, rows)


def dry_bean() -> Dataset:
    """UCI Dry Bean with KANELE's test part, 20 % with random_state 42, and its standardisation."""
    text = (reference_folder("data") / "dry_bean.csv").read_text(encoding="utf-8")
    cells = [line.split(",") for line in text.splitlines()[1:]]
    x = np.array([row[:-1] for row in cells], np.float64)
    labels = np.unique([row[-1] for row in cells], return_inverse=True)[1]
    rows = split_rows(labels, 0.2, 42)
    return _classified("dry_bean", _standardised(x, rows), labels, rows)


def fashion_mnist(folder: Path = FASHION_FOLDER) -> Dataset:
    """Fashion-MNIST from Debian's package, (pixel / 255 - 0.2860) / 0.3530.

    Validation is the last 10,000 of a seeded permutation of the training images. The mean and the
    deviation are those that the reference network used.
    """
    images, labels = _idx(folder, "train-images-idx3"), _idx(folder, "train-labels-idx1")
    order = np.random.default_rng(FASHION_SEED).permutation(len(images))
    train, validation = order[:-FASHION_VALIDATION], order[-FASHION_VALIDATION:]
    return Dataset(
        "fashion_mnist",
        _pixels(images[train]),
        labels[train].astype(np.int64),
        _pixels(images[validation]),
        labels[validation].astype(np.int64),
        _pixels(_idx(folder, "t10k-images-idx3")),
        _idx(folder, "t10k-labels-idx1").astype(np.int64),
        classes=10,
    )


def _pixels(images: npt.NDArray[np.uint8]) -> FloatArray:
    # In place: the training images alone are 300 MiB.
    x = images.reshape(len(images), -1).astype(np.float64)
    x /= 255
    x -= FASHION_MEAN
    x /= FASHION_DEVIATION
    return x


def _idx(folder: Path, name: str) -> npt.NDArray[np.uint8]:
    """An array of bytes from an idx file: the count of axes, their lengths, the values."""
    path = folder / f"{name}-ubyte.gz"
    if not path.is_file():
        sys.exit(
            f"{path} does not exist: install the Debian package dataset-fashion-mnist "
            "(apt-get install dataset-fashion-mnist)"
        )
    with gzip.open(path) as file:
        content = file.read()
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


# Formulas with a differential equation ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Formula:
    """A smooth function of two inputs that solves a partial differential equation exactly.

    Features run from -1 to 1 over a box; ``exact`` and the terms take points of the box.

    Parameters
    ----------
    name
        Its dataset's.
    lower, upper
        Corners of the box.
    exact
        The solution: points [N, 2] to values [N].
    equation
        Residual [N] of points [N, 2] and a function's first and second derivatives along the two
        axes there, [N, 2] each.
    term
        The equation's largest term for the exact solution [N], which residuals are compared with.
    """

    name: str
    lower: tuple[float, float]
    upper: tuple[float, float]
    exact: Callable[[FloatArray], FloatArray]
    equation: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    term: Callable[[FloatArray], FloatArray]

    def points(self, features: FloatArray) -> FloatArray:
        """Points of the box [N, 2] from features [N, 2]."""
        lower, upper = np.array(self.lower), np.array(self.upper)
        result: FloatArray = lower + (features + 1) / 2 * (upper - lower)
        return result

    def solution(self, features: FloatArray) -> FloatArray:
        """The exact values [N] at features [N, 2]."""
        return self.exact(self.points(features))

    def residual(
        self,
        function: Callable[[FloatArray], FloatArray],
        features: FloatArray,
        step: float = 1 / 4,
    ) -> FloatArray:
        """What the equation leaves over for a function, by central differences.

        Parameters
        ----------
        function
            Features [N, 2] to values [N] or [N, 1], such as a KanModel or a quantized network.
        features
            Where, [N, 2]; the differences reach ``step`` further, so stay that far inside the box.
        step
            Of the differences, in units of features, whose range is 2. A quantized network is
            piecewise constant: its derivatives are 0 or infinite, and only differences over many
            code steps mean something. 1/4 is 32 steps of an input of 8 bits, 8 of one of 6 bits
            and 2 of one of 4 bits. Halving it makes the noise of rounded outputs four times as
            large and the error of the differences themselves four times as small. At 1/4 these are
            about equal for outputs of 8 bits: each some 5 % of the equation's largest term.

        Returns
        -------
        FloatArray
            [N], in units of the equation.
        """
        spans = np.subtract(self.upper, self.lower)
        shifts = step * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], np.float64)
        stencil = (features[np.newaxis] + shifts[:, np.newaxis]).reshape(-1, 2)
        middle, *around = np.reshape(function(stencil), (5, len(features)))
        ahead, behind = np.stack(around[::2], axis=1), np.stack(around[1::2], axis=1)
        distance = step / 2 * spans
        first = (ahead - behind) / (2 * distance)
        second = (ahead - 2 * middle[:, np.newaxis] + behind) / distance**2
        return self.equation(self.points(features), first, second)

    def relative_residual(
        self,
        function: Callable[[FloatArray], FloatArray],
        count: int = 2000,
        step: float = 1 / 4,
    ) -> float:
        """What a function adds to the residual, in percent of the equation's largest term.

        Root mean squares over ``count`` random points, always the same, ``step`` inside the box.
        What the differences leave over even for the exact solution is taken off first: the
        equations are linear, so this is the residual of the function's error, and 0 for the exact
        solution. Other functions solve an equation too (the zero function that of heat): show the
        RMSE beside it.
        """
        reach = 1 - step
        features = np.random.default_rng(FORMULA_SEED + 1).uniform(-reach, reach, (count, 2))
        left, exact = (self.residual(f, features, step) for f in (function, self.solution))
        term = self.term(self.points(features))
        return float(100 * np.sqrt(np.square(left - exact).mean() / np.square(term).mean()))


def _heat(points: FloatArray) -> FloatArray:
    x, t = points.T
    slow = np.exp(-DIFFUSIVITY * np.pi**2 * t) * np.sin(np.pi * x)
    fast = np.exp(-4 * DIFFUSIVITY * np.pi**2 * t) * np.sin(2 * np.pi * x)
    result: FloatArray = slow + fast / 2
    return result


def _heat_rate(points: FloatArray) -> FloatArray:
    x, t = points.T
    slow = np.exp(-DIFFUSIVITY * np.pi**2 * t) * np.sin(np.pi * x)
    fast = np.exp(-4 * DIFFUSIVITY * np.pi**2 * t) * np.sin(2 * np.pi * x)
    result: FloatArray = -DIFFUSIVITY * np.pi**2 * (slow + 2 * fast)
    return result


def _poisson(points: FloatArray) -> FloatArray:
    x, y = points.T
    result: FloatArray = np.sin(np.pi * x) * np.sin(2 * np.pi * y)
    return result


def _poisson_source(points: FloatArray) -> FloatArray:
    return 5 * np.pi**2 * _poisson(points)


FORMULAS = {
    formula.name: formula
    for formula in (
        # A rod of length 1, cold at both ends: u_t = 0.1 u_xx for x and t from 0 to 1.
        Formula(
            "heat",
            (0.0, 0.0),
            (1.0, 1.0),
            _heat,
            lambda _, first, second: first[:, 1] - DIFFUSIVITY * second[:, 0],
            _heat_rate,
        ),
        # The unit square, 0 on its boundary: -(u_xx + u_yy) = source.
        Formula(
            "poisson",
            (0.0, 0.0),
            (1.0, 1.0),
            _poisson,
            lambda points, _, second: -second.sum(axis=1) - _poisson_source(points),
            _poisson_source,
        ),
    )
}


def _sampled(formula: Formula) -> Dataset:
    """Random points of the whole box."""
    rng = np.random.default_rng(FORMULA_SEED)
    parts: list[Any] = []
    for count in FORMULA_ROWS:
        features = rng.uniform(-1, 1, (count, 2))
        parts += [features, formula.solution(features)[:, np.newaxis]]
    parts.append(None)
    return Dataset(formula.name, *parts)


def heat() -> Dataset:
    """Temperature u(x, t) of a rod whose ends are cold, from ``FORMULAS["heat"]``."""
    return _sampled(FORMULAS["heat"])


def poisson() -> Dataset:
    """u(x, y) = sin(pi x) sin(2 pi y) on the unit square, from ``FORMULAS["poisson"]``."""
    return _sampled(FORMULAS["poisson"])


LOADERS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
    "dry_bean": dry_bean,
    "fashion_mnist": fashion_mnist,
    "heat": heat,
    "poisson": poisson,
    "wine": wine,
}


def load(name: str) -> Dataset:
    """The dataset of a name in ``LOADERS``."""
    if name not in LOADERS:
        sys.exit(f"There is no dataset {name!r}: known are {', '.join(sorted(LOADERS))}")
    return LOADERS[name]()
