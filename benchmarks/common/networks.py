"""The float networks that are quantized: small ones of every variant, trained once and kept.

    python -m benchmarks.common.networks [--networks VARIANT/DATASET ...] [--seeds 0 1 2]

trains what the cache lacks and prints the scores. A trained state is kept in
``~/.cache/kanhw-benchmarks`` or $KANHW_BENCHMARK_CACHE under a name that depends on the variant,
recipe, seed, training data, this file's training code and PyTorch's version. After a change to
kanhw/layers, delete the folder.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

import kanhw
from benchmarks.common.data import Dataset, load
from benchmarks.common.measuring import Table, environment_line
from kanhw.layers import KAGN, KAN, FastKAN, KAGNConv2DLayer, KAGNLayer, PyKAN, model_of

__all__ = [
    "RECIPES",
    "Recipe",
    "cache_folder",
    "fit",
    "float_model",
    "float_network",
    "fresh_network",
    "inputs",
    "outputs",
    "score",
    "to_model",
]

# Rows that are evaluated at a time.
CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is made and trained: AdamW, the rate falling to 0 along a cosine.

    Parameters
    ----------
    sizes
        Inputs, hidden layers, outputs.
    options
        Further arguments of the network's class.
    epochs, batch, rate, decay
        Passes over the training part, rows per step, first learning rate, weight decay.
    grid_epochs
        PyKAN: after how many of the first epochs the knots are fitted to the data again.
    """

    sizes: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int
    batch: int = 64
    rate: float = 1e-2
    decay: float = 1e-4
    grid_epochs: int = 0


_FORMULA: dict[str, Any] = {"epochs": 200, "batch": 64, "decay": 0.0}

# LayerNorm of two features keeps one bit of them, and of one feature nothing. So FastKAN's formulas
# have no norms, and KAGN's have a linear layer behind them instead of a KAGN layer of one output.
# Behind its last norm and SiLU a KAGN loses whole classes with some seeds, unless weights decay
# fast.
RECIPES: dict[tuple[str, str], Recipe] = {
    ("EfficientKAN", "digits"): Recipe(sizes=(64, 16, 10), epochs=40),
    ("FastKAN", "digits"): Recipe(sizes=(64, 16, 10), epochs=40),
    ("KAGN", "digits"): Recipe(sizes=(64, 16, 10), epochs=40, decay=1.0),
    ("PyKAN", "digits"): Recipe(sizes=(64, 16, 10), options={"grid": 5}, epochs=40, grid_epochs=5),
    ("KAGNConv", "digits"): Recipe(sizes=(1, 8, 16, 10), epochs=30),
    ("EfficientKAN", "dry_bean"): Recipe(
        sizes=(16, 8, 7), options={"grid_range": (-4, 4), "grid_size": 8}, epochs=40
    ),
    ("FastKAN", "dry_bean"): Recipe(sizes=(16, 8, 7), epochs=40),
    ("KAGN", "dry_bean"): Recipe(sizes=(16, 8, 7), epochs=40, decay=1.0),
    ("PyKAN", "dry_bean"): Recipe(sizes=(16, 8, 7), options={"grid": 5}, epochs=40, grid_epochs=5),
    ("EfficientKAN", "heat"): Recipe(sizes=(2, 6, 1), **_FORMULA),
    ("FastKAN", "heat"): Recipe(sizes=(2, 6, 1), options={"use_layernorm": False}, **_FORMULA),
    ("KAGN", "heat"): Recipe(sizes=(2, 6, 1), **_FORMULA),
    ("PyKAN", "heat"): Recipe(sizes=(2, 6, 1), options={"grid": 5}, grid_epochs=10, **_FORMULA),
    ("EfficientKAN", "poisson"): Recipe(sizes=(2, 6, 1), **_FORMULA),
    ("FastKAN", "poisson"): Recipe(sizes=(2, 6, 1), options={"use_layernorm": False}, **_FORMULA),
    ("KAGN", "poisson"): Recipe(sizes=(2, 6, 1), **_FORMULA),
    ("PyKAN", "poisson"): Recipe(sizes=(2, 6, 1), options={"grid": 5}, grid_epochs=10, **_FORMULA),
    ("EfficientKAN", "fashion_mnist"): Recipe(sizes=(784, 64, 10), epochs=5, batch=256, rate=2e-3),
    ("EfficientKAN", "wine"): Recipe(
        sizes=(13, 4, 3), options={"grid_range": (-4, 4)}, epochs=30, batch=16
    ),
    ("FastKAN", "wine"): Recipe(sizes=(13, 4, 3), epochs=30, batch=16),
    ("KAGN", "wine"): Recipe(sizes=(13, 4, 3), epochs=30, batch=16, decay=1.0),
    ("PyKAN", "wine"): Recipe(
        sizes=(13, 4, 3), options={"grid": 3}, epochs=30, batch=16, grid_epochs=5
    ),
}

# Making ------------------------------------------------------------------------------------------


def fresh_network(variant: str, recipe: Recipe) -> nn.Module:
    """An untrained network, its weights drawn by PyTorch's generator."""
    sizes, options = recipe.sizes, recipe.options
    if variant == "KAGNConv":
        return _convolutions(sizes)
    if variant == "KAGN" and sizes[-1] == 1:
        hidden = [KAGNLayer(a, b, **options) for a, b in pairwise(sizes[:-1])]
        return nn.Sequential(*hidden, nn.Linear(sizes[-2], 1))
    kinds: dict[str, type[nn.Module]] = {
        "EfficientKAN": KAN,
        "FastKAN": FastKAN,
        "KAGN": KAGN,
        "PyKAN": PyKAN,
    }
    return kinds[variant](sizes, **options)


def _convolutions(sizes: tuple[int, ...]) -> nn.Sequential:
    """Two KAGN convolutions, the second with half the rows and columns, averaged, and a layer."""
    first, second, third, n_out = sizes
    return nn.Sequential(
        KAGNConv2DLayer(first, second, 3, padding=1),
        KAGNConv2DLayer(second, third, 3, padding=1, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(third, n_out),
    )


def _image_shape(network: nn.Module, n_in: int) -> tuple[int, ...] | None:
    """(C, H, W) where a network takes square images instead of features."""
    first = next(network.children(), network)
    if not isinstance(first, KAGNConv2DLayer):
        return None
    side = round((n_in / first.in_channels) ** 0.5)
    return first.in_channels, side, side


def inputs(network: nn.Module, x: npt.NDArray[np.float64]) -> Tensor:
    """Features [N, n_in] as the float32 tensor that a network takes, images where it convolves."""
    shape = _image_shape(network, x.shape[1]) or (x.shape[1],)
    return torch.tensor(x, dtype=torch.float32).reshape(-1, *shape)


def outputs(network: nn.Module, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Outputs [N, n_out] of features [N, n_in], evaluated as in use and not as in training."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            parts = [network(inputs(network, x[i : i + CHUNK])) for i in range(0, len(x), CHUNK)]
    finally:
        network.train(training)
    return torch.cat(parts).double().numpy()


def score(y: npt.NDArray[np.floating[Any]], expected: npt.NDArray[Any]) -> float:
    """Accuracy in percent where labels are expected, else RMSE in percent of the values' range.

    Parameters
    ----------
    y
        Outputs [N, n_out]; the largest one is the label, the first of equals.
    expected
        Labels [N] as integers, or values [N, n_out]: one of the ``_y`` of a Dataset.
    """
    if np.issubdtype(expected.dtype, np.integer):
        return 100 * float((np.argmax(y, axis=1) == expected).mean())
    error = np.sqrt(np.square(np.reshape(y, expected.shape) - expected).mean())
    return 100 * float(error / np.ptp(expected))


# Training ----------------------------------------------------------------------------------------


def fit(network: Any, dataset: Dataset, recipe: Recipe) -> None:
    """Train on the training part; the order of rows is drawn by PyTorch's generator."""
    x = inputs(network, dataset.train_x)
    y = torch.tensor(dataset.train_y)
    loss_of: Any = nn.functional.cross_entropy
    if dataset.classes is None:
        y, loss_of = y.float(), nn.functional.mse_loss
    trained = [value for value in network.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * -(-len(x) // recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for epoch in range(recipe.epochs):
        if epoch < recipe.grid_epochs:
            network.update_grid(x)
        order: Any = torch.randperm(len(x))
        for rows in order.split(recipe.batch):
            optimizer.zero_grad()
            loss_of(network(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    network.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep PyTorch from sharing out batches: on two busy cores that is several times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cache_folder() -> Path:
    """Where trained networks are kept."""
    given = os.environ.get("KANHW_BENCHMARK_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "kanhw-benchmarks"


def float_network(
    variant: str, dataset: Dataset, seed: int = 0, recipe: Recipe | None = None
) -> nn.Module:
    """A trained network in evaluation mode, from the cache or trained now.

    Parameters
    ----------
    variant
        EfficientKAN, FastKAN, KAGN, PyKAN or KAGNConv.
    dataset
        What it learns, from its training part only.
    seed
        Of weights and order.
    recipe
        None is that of ``RECIPES``.
    """
    if recipe is None:
        recipe = RECIPES.get((variant, dataset.name))
    if recipe is None:
        known = ", ".join("/".join(names) for names in RECIPES)
        sys.exit(f"There is no recipe for {variant}/{dataset.name}: known are {known}")
    path = cache_folder() / _file_name(variant, dataset, seed, recipe)
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        network = fresh_network(variant, recipe)
        if path.is_file():
            network.load_state_dict(torch.load(path, weights_only=True))
        else:
            fit(network, dataset, recipe)
            _keep(network, path)
    return network.eval()


def _file_name(variant: str, dataset: Dataset, seed: int, recipe: Recipe) -> str:
    content = hashlib.sha256()
    for array in (dataset.train_x, dataset.train_y):
        content.update(np.ascontiguousarray(array).data)
    settings = {
        **asdict(recipe),
        "data": content.hexdigest(),
        "code": [inspect.getsource(part) for part in (fresh_network, _convolutions, fit)],
        "torch": torch.__version__,
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    return f"{variant}-{dataset.name}-seed{seed}-{key}.pt"


def _keep(network: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under a name of this process first: two benchmarks may train the same network at once.
    mine = path.with_name(f"{path.stem}.{os.getpid()}.pt")
    torch.save(network.state_dict(), mine)
    mine.replace(path)


def to_model(network: nn.Module, dataset: Dataset) -> kanhw.KanModel:
    """The float record of a network that takes the features of a dataset."""
    if isinstance(network, PyKAN):
        return network.to_model()
    return model_of(network, _image_shape(network, dataset.n_in))


def float_model(
    variant: str, dataset: Dataset, seed: int = 0, recipe: Recipe | None = None
) -> kanhw.KanModel:
    """:func:`float_network` as the float record that quantization starts from."""
    return to_model(float_network(variant, dataset, seed, recipe), dataset)


def main() -> None:
    """Train and print scores."""
    names = ["/".join(pair) for pair in RECIPES]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    print(environment_line(f"torch {torch.__version__}") + "\n")
    head = ("network", "sizes", "seed", "train", "validation", "test", "measure", "seconds")
    table = Table(head, (26, 12, 4, 6, 10, 6, 17))
    datasets: dict[str, Dataset] = {}
    for name in options.networks:
        variant, dataset_name = name.split("/")
        if dataset_name not in datasets:
            # One at a time: Fashion-MNIST takes 430 MiB.
            datasets = {dataset_name: load(dataset_name)}
        dataset = datasets[dataset_name]
        for seed in options.seeds:
            start = time.monotonic()
            network = float_network(variant, dataset, seed)
            seconds = time.monotonic() - start
            scores = [
                f"{score(outputs(network, x), y):.2f}"
                for x, y in (
                    (dataset.train_x, dataset.train_y),
                    (dataset.validation_x, dataset.validation_y),
                    (dataset.test_x, dataset.test_y),
                )
            ]
            sizes = "-".join(map(str, RECIPES[variant, dataset_name].sizes))
            table.add(name, sizes, seed, *scores, dataset.unit, f"{seconds:.1f}")


if __name__ == "__main__":
    main()
