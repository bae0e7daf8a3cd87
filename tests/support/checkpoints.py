"""Checkpoints of torch modules, and what they load as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kanhw.importers.load import load_model
from kanhw.model.network import KanModel


class Scaled(nn.Module):
    """A KAN of 4 inputs between two normalisations that are buffers."""

    def __init__(self, kan: nn.Module) -> None:
        super().__init__()
        self.kan = kan
        self.register_buffer("x_mean", torch.tensor([290.0, 1e5, 50.0, 0.0]))
        self.register_buffer("x_std", torch.tensor([12.0, 2e3, 25.0, 1.0]))
        self.register_buffer("y_mean", torch.tensor([1.2]))
        self.register_buffer("y_std", torch.tensor([0.05]))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.kan((x - self.x_mean) / self.x_std)
        return y * self.y_std + self.y_mean


def loaded(source: Any, **options: Any) -> KanModel:
    """The float model of a path, a state_dict or a module."""
    model = load_model(source, **options)
    assert isinstance(model, KanModel)
    return model


def saved(module: nn.Module, folder: Path, name: str = "net.pt") -> Path:
    """The state_dict of a module, in a file."""
    path = folder / name
    torch.save(module.state_dict(), path)
    return path
