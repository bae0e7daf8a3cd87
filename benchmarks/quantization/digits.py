"""What quantization costs on handwritten digits, and how close the importer is to the library.

    python -m benchmarks.quantization.digits [--json FILE]

Accuracy of a trained 64-16-10 EfficientKAN after post-training quantization, calibrated on the
training part of scikit-learn's digits; and the largest difference between kanhw's float64 record
and the outputs that efficient-kan itself gave, for three networks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import (
    Table,
    argument_parser,
    environment_line,
    reference_folder,
    write_results,
)

NETWORKS = ("efficient_kan_digits", "efficient_kan_wine", "efficient_kan_fashion")
CONFIGS: dict[str, dict[str, Any]] = {
    "W8A8, edge tables": {"realisation": "edge_table"},
    "W8A8, basis tables": {"realisation": "basis_table"},
    "W4A6, edge tables": {
        "base_bits": 4,
        "spline_bits": 4,
        "activation_bits": 6,
        "realisation": "edge_table",
    },
}


def accuracy(outputs: Any, labels: Any) -> float:
    """Share of labels that the largest output hits, in percent."""
    return 100 * float((np.argmax(outputs, axis=1) == labels).mean())


def split() -> tuple[Any, Any, Any]:
    """Training features, test features and test labels, as the network was trained."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, labels = load_digits(return_X_y=True)
    train_x, test_x, _, test_labels = train_test_split(
        x / 16, labels, test_size=0.25, random_state=0, stratify=labels
    )
    return train_x, test_x, test_labels


def level_0(folder: Path) -> list[dict[str, Any]]:
    """Largest differences from the library's float32 outputs, over the range of those outputs."""
    table = Table(("network", "inside", "far outside", "samples"), (24, 8))
    rows = []
    for name in NETWORKS:
        model = kanhw.load(folder / name)
        with np.load(folder / name / "vectors.npz") as file:
            span = float(np.ptp(file["y"].astype(np.float64)))
            errors = [
                float(np.abs(model(file[x]) - file[y]).max()) / span
                for x, y in (("x", "y"), ("x_far", "y_far"))
            ]
            count = len(file["x"]) + len(file["x_far"])
        table.add(name, *(f"{error:.1e}" for error in errors), count)
        rows.append({"network": name, "inside": errors[0], "far": errors[1]})
    return rows


def quantized(folder: Path) -> list[dict[str, Any]]:
    """Accuracies of the float model and its Programs."""
    model = kanhw.load(folder / NETWORKS[0])
    train_x, test_x, test_labels = split()
    with np.load(folder / NETWORKS[0] / "vectors.npz") as file:
        x, labels = file["x"].astype(np.float64), file["labels"]
    head = ("network", f"{len(labels)} samples", "points lost", f"{len(test_labels)} samples")
    table = Table(head, (18,))
    reference = accuracy(model(x), labels)
    whole = accuracy(model(test_x), test_labels)
    table.add("float", f"{reference:.2f} %", "", f"{whole:.2f} %")
    rows = [{"network": "float", "accuracy": reference, "whole_test_part": whole}]
    for name, options in CONFIGS.items():
        program = kanhw.quantize(model, train_x, **options)
        hit = accuracy(program(program.input.encode(x)), labels)
        whole = accuracy(program(program.input.encode(test_x)), test_labels)
        table.add(name, f"{hit:.2f} %", f"{reference - hit:.2f}", f"{whole:.2f} %")
        rows.append({"network": name, "accuracy": hit, "whole_test_part": whole})
    return rows


def main() -> None:
    """Print both tables."""
    parser = argument_parser(__doc__, json_file=True)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    folder = reference_folder("fixtures/kan_libraries")
    print(environment_line() + "\n")
    print("accuracy on the test part of scikit-learn's digits\n")
    accuracies = quantized(folder)
    print("\nlargest difference from efficient-kan, over the range (max - min) of its outputs\n")
    errors = level_0(folder)
    write_results(options.json, {"accuracy": accuracies, "level_0": errors})


if __name__ == "__main__":
    main()
