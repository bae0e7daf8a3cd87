"""The trained Programs of the folded designs: 784-64-10 on Fashion-MNIST, dense and as a codebook.

    python -m benchmarks.folded.fashion_programs [--networks dense codebook]

trains what the cache lacks, from the float network of benchmarks/quantization, and prints what they
score. A Program is kept beside the float networks, under a name that depends on them, its settings
and PyTorch's version.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.common.data import Dataset, load
from benchmarks.common.experiments import RATE, calibration, everywhere
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.common.networks import cache_folder, float_network, outputs, score, to_model
from kanhw.program import Program, load_program, save_program
from kanhw.quant import QuantConfig, convert, lower, prepare, train
from kanhw.quant.training.codebook_tuning import fine_tune

__all__ = ["NETWORKS", "Trained", "images", "trained_program"]

BATCH = 256
SEED = 0
CHUNK = 2000

# Weights and activations of 4 bits, basis values of 3, one code for both branches. All pixels have
# one unit: scales for groups of them would take basis tables for each group.
DENSE: dict[str, Any] = {
    "realisation": "basis_table",
    "input_granularity": "tensor",
    "quantizer": "lsq+",
    "branch_inputs": "shared",
    **everywhere(4, 4, basis_bits=3),
}
# Shapes with the base branch in them, so that an edge is an index and nothing else.
CODEBOOK: dict[str, Any] = {
    "realisation": "codebook",
    "codebook.size": 32,
    "codebook.branches": "joint",
    "codebook.gain": "none",
    **everywhere(4, 4, **{"codebook.shape_bits": 8}),
}
# Fields of the configuration, and epochs.
NETWORKS = {"dense": (DENSE, 4), "codebook": (CODEBOOK, 10)}


@dataclass(frozen=True)
class Trained:
    """A Program and what it and the float network that it was made from score on test images.

    Parameters
    ----------
    program
        With argmax: it gives classes.
    accuracy, float_accuracy
        In percent, of all 10,000 test images.
    """

    program: Program
    accuracy: float
    float_accuracy: float


def images(data: Dataset, program: Program) -> tuple[Any, Any]:
    """Codes and labels of the test images."""
    return program.input.encode(data.test_x), data.test_y


def trained_program(name: str, data: Dataset) -> Trained:
    """A network of :data:`NETWORKS`, from the cache or trained now."""
    config, epochs = NETWORKS[name]
    network = float_network("EfficientKAN", data, SEED)
    path = cache_folder() / f"program-{name}-{_key(network, config, epochs)}.safetensors"
    if not path.is_file():
        save_program(_train(network, data, QuantConfig().changed(config), epochs), path)
    program = load_program(path)
    codes, labels = images(data, program)
    classes = np.concatenate(
        [program(codes[k : k + CHUNK])[:, 0] for k in range(0, len(codes), CHUNK)]
    )
    return Trained(
        program,
        100 * float((classes == labels).mean()),
        score(outputs(network, data.test_x), data.test_y),
    )


def _train(network: Any, data: Dataset, config: QuantConfig, epochs: int) -> Program:
    # On busy processors, sharing out batches takes several times as long.
    torch.set_num_threads(1)
    model = to_model(network, data)
    settings = {"batch_size": BATCH, "learning_rate": RATE, "seed": SEED}
    if config.realisation == "codebook":
        quantized = fine_tune(model, data.train_x, data.train_y, config, epochs=epochs, **settings)
    else:
        prepared = prepare(model, calibration(data), config)
        train(prepared, data.train_x, data.train_y, epochs=epochs, **settings)
        quantized = convert(prepared)
    return lower(quantized).with_argmax(True)


def _key(network: Any, config: dict[str, Any], epochs: int) -> str:
    content = hashlib.sha256()
    for value in network.state_dict().values():
        content.update(np.ascontiguousarray(value.numpy()).data)
    settings = {
        **config,
        "network": content.hexdigest(),
        "epochs": epochs,
        "training": [BATCH, RATE, SEED],
        "torch": torch.__version__,
    }
    text = json.dumps(settings, sort_keys=True, default=str)
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
