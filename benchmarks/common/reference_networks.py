"""The reference networks that the benchmarks share, and the data that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import reference_folder
from kanhw.model.network import KanModel

__all__ = ["FASHION", "NAMES", "NETWORKS", "data", "network_folder", "parts"]

# What each was trained on; None is a formula, whose features are kept beside the network.
NETWORKS = {
    "efficient_kan_digits": "digits",
    "efficient_kan_wine": "wine",
    "fast_kan_digits": "digits",
    "kagn_digits": "digits",
    "kagn_conv_digits": "digits",
    "pykan_wine": "wine",
    "pykan_formula": None,
}
# The one that is too large to be unrolled.
FASHION = "efficient_kan_fashion"
NAMES = (*NETWORKS, FASHION)


def network_folder(name: str) -> Path:
    """Where the checkpoint of a network is."""
    return reference_folder("fixtures/kan_libraries") / name


def data(name: str) -> tuple[Any, Any, Any]:
    """Training features, test features and test labels, as the networks were trained."""
    from sklearn.datasets import load_digits, load_wine
    from sklearn.model_selection import train_test_split

    x, labels = (load_digits if name == "digits" else load_wine)(return_X_y=True)
    train_x, test_x, _, test_labels = train_test_split(
        x, labels, test_size=0.25, random_state=0, stratify=labels
    )
    if name == "digits":
        return train_x / 16, test_x / 16, test_labels
    mean, deviation = train_x.mean(axis=0), train_x.std(axis=0)
    return (train_x - mean) / deviation, (test_x - mean) / deviation, test_labels


def parts(name: str) -> tuple[KanModel, Any, Any, Any]:
    """A network, its training features, test features and test labels (None for formulas)."""
    from kanhw.importers.pykan.network import calibration_data

    folder = network_folder(name)
    model = kanhw.load(folder)
    if name == FASHION:
        from benchmarks.common.data import fashion_mnist

        loaded = fashion_mnist()
        return model, loaded.train_x, loaded.test_x, loaded.test_y
    if NETWORKS[name] is None:
        with np.load(folder / "vectors.npz") as file:
            return model, np.asarray(calibration_data(folder)), file["x"], None
    return (model, *data(str(NETWORKS[name])))
