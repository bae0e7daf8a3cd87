"""The trained Program of the folded convolutions: FuncCode's network K2, on Fashion-MNIST.

    python -m benchmarks.folded.convolution_programs [--networks dense codebook]

Two KAGN convolutions of 3 x 3 taps, 1-16-32 channels, stride 2, padding 1 and BatchNorm, the
average of the image, and a KAGN layer of 10 outputs with its LayerNorm and SiLU. The float network
is trained first, then on with weights and activations of 4 bits and basis values of 3 or 4; what
the cache has is not trained again.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common.data import Dataset, load
from benchmarks.common.experiments import calibration, everywhere
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.common.networks import cache_folder
from kanhw.layers import KAGNConv2DLayer, KAGNLayer, model_of
from kanhw.program import Program, load_program, save_program
from kanhw.quant import QuantConfig, convert, lower, prepare, train
from kanhw.quant.training.codebook_tuning import fine_tune

__all__ = ["NETWORKS", "Trained", "codes_and_labels", "trained_program"]

SHAPE = (1, 28, 28)
SEED, BATCH = 0, 250
# The float network's, then the quantized one's.
FLOAT_EPOCHS, FLOAT_RATE = 4, 1e-2
EPOCHS, RATE = 1, 1e-3
CHUNK = 1000

DENSE: dict[str, Any] = {
    "realisation": "basis_table",
    "quantizer": "lsq+",
    "branch_inputs": "shared",
    **everywhere(4, 4, basis_bits=3),
}
# 32 shapes with the base branch in them, so that an edge is an index and nothing else.
CODEBOOK: dict[str, Any] = {
    "realisation": "codebook",
    "codebook.size": 32,
    "codebook.branches": "joint",
    "codebook.gain": "none",
    "codebook.bias": False,
    "branch_inputs": "shared",
    **everywhere(4, 4, **{"codebook.shape_bits": 8}),
}
NETWORKS = {"dense": DENSE, "codebook": CODEBOOK}


@dataclass(frozen=True)
class Trained:
    """A Program, with argmax, and what it and its float network score on 10,000 test images."""

    program: Program
    accuracy: float
    float_accuracy: float


def fresh_network() -> nn.Sequential:
    """The network, untrained."""
    return nn.Sequential(
        KAGNConv2DLayer(1, 16, 3, stride=2, padding=1),
        KAGNConv2DLayer(16, 32, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        KAGNLayer(32, 10),
    )


def float_network(data: Dataset) -> nn.Module:
    """The trained float network, from the cache or trained now."""
    torch.manual_seed(SEED)
    network = fresh_network()
    settings = {"epochs": FLOAT_EPOCHS, "rate": FLOAT_RATE, "batch": BATCH, "seed": SEED}
    path = cache_folder() / f"KAGNConv-fashion_mnist-{_digest(settings)}.pt"
    if path.is_file():
        network.load_state_dict(torch.load(path, weights_only=True))
    else:
        _fit(network, data)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), path)
    return network.eval()


def _fit(network: nn.Module, data: Dataset) -> None:
    x = torch.tensor(data.train_x, dtype=torch.float32).reshape(-1, *SHAPE)
    y = torch.tensor(data.train_y)
    steps = len(x) // BATCH
    optimizer = torch.optim.AdamW(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, FLOAT_RATE, total_steps=FLOAT_EPOCHS * steps
    )
    network.train()
    for _ in range(FLOAT_EPOCHS):
        for rows in torch.randperm(len(x))[: steps * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def codes_and_labels(data: Dataset, program: Program) -> tuple[Any, Any]:
    """Codes and labels of the test images."""
    return program.input.encode(data.test_x), data.test_y


def trained_program(name: str, data: Dataset) -> Trained:
    """A network of :data:`NETWORKS`, from the cache or trained now."""
    # On busy processors, sharing out batches takes several times as long.
    torch.set_num_threads(1)
    network, config = float_network(data), NETWORKS[name]
    settings = {**config, "epochs": EPOCHS, "rate": RATE, "weights": _weights(network)}
    path = cache_folder() / f"program-convolution-{name}-{_digest(settings)}.safetensors"
    if not path.is_file():
        save_program(_quantized(network, data, QuantConfig().changed(config)), path)
    program = load_program(path)
    codes, labels = codes_and_labels(data, program)
    classes = np.concatenate(
        [program(codes[k : k + CHUNK])[:, 0] for k in range(0, len(codes), CHUNK)]
    )
    return Trained(program, _share(classes == labels), _float_share(network, data))


def _quantized(network: nn.Module, data: Dataset, config: QuantConfig) -> Program:
    model = model_of(network, SHAPE)
    images = data.train_x.reshape(-1, *SHAPE)
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": RATE}
    if config.realisation == "codebook":
        quantized = fine_tune(model, images, data.train_y, config, seed=SEED, **settings)
    else:
        prepared = prepare(model, calibration(data).reshape(-1, *SHAPE), config)
        train(prepared, images, data.train_y, seed=SEED, **settings)
        quantized = convert(prepared)
    return lower(quantized).with_argmax(True)


def _float_share(network: nn.Module, data: Dataset) -> float:
    images = torch.tensor(data.test_x, dtype=torch.float32).reshape(-1, *SHAPE)
    with torch.no_grad():
        classes = torch.cat([network(part).argmax(dim=1) for part in images.split(CHUNK)])
    return _share(classes.numpy() == data.test_y)


def _share(right: Any) -> float:
    return 100 * float(right.mean())


def _weights(network: nn.Module) -> str:
    content = hashlib.sha256()
    for value in network.state_dict().values():
        content.update(np.ascontiguousarray(value.numpy()).data)
    return content.hexdigest()


def _digest(settings: dict[str, Any]) -> str:
    text = json.dumps({**settings, "torch": torch.__version__}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def main() -> None:
    """Train and print scores."""
    parser = argument_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    print(environment_line(f"torch {torch.__version__}") + "\n")
    table = Table(("network", "test", "float", "seconds"), (10, 6, 6, 7))
    data = load("fashion_mnist")
    for name in options.networks:
        start = time.monotonic()
        found = trained_program(name, data)
        seconds = f"{time.monotonic() - start:.1f}"
        table.add(name, f"{found.accuracy:.2f}", f"{found.float_accuracy:.2f}", seconds)


if __name__ == "__main__":
    main()
