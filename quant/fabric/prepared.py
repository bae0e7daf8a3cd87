"""Learned widths through the verbs of training: prepare, train, convert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.program import Program
from kanhw.quant.config import QuantConfig
from kanhw.quant.fabric.front import Front
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.training import Data, FabricTraining, Teller

__all__ = ["LearnedWidths"]


class LearnedWidths(nn.Module):
    """A float model whose widths are to be learned; made by :func:`kanhw.prepare`.

    Parameters
    ----------
    model
        The float model.
    config
        With ``widths="learned"``.
    tellers
        As for :class:`~kanhw.quant.fabric.training.FabricTraining`.

    Attributes
    ----------
    front, programs
        What training gave: the points, and the Program of each by name; None before it.
    """

    def __init__(
        self, model: KanModel, config: QuantConfig, tellers: Mapping[str, Teller]
    ) -> None:
        super().__init__()
        self.model, self.config, self.tellers = model, config, tellers
        self.front: Front | None = None
        self.programs: dict[str, Program] = {}
        self.feature_names: tuple[str, ...] | None = None

    def fit(
        self, x: FloatArray, y: npt.NDArray[Any], held_out: tuple[FloatArray, Any], **settings: Any
    ) -> Front:
        """Train; the front.

        Parameters
        ----------
        x, y
            Trained on.
        held_out
            Features and targets that points are chosen by.
        **settings
            Fields of :class:`FabricSettings` beside those of the config.
        """
        own = {"fabric_cost": self.config.fabric_cost, "target": self.config.target}
        data = Data(x, y, *held_out)
        chosen = FabricSettings(**{**own, **settings})
        training = FabricTraining(self.model, data, chosen, self.tellers)
        self.front, self.programs = training.run()
        return self.front

    def program(self, at_most: float | None = None) -> Program:
        """The Program of the point to take, see :meth:`Front.best`.

        Raises
        ------
        InputError
            If nothing is trained yet, or no point is so cheap.
        """
        if self.front is None:
            raise InputError("Widths are not learned yet: train the network, then convert it")
        return self.programs[self.front.best(at_most).name]

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``[N, n_out]`` of the point to take; without gradients."""
        program = self.program()
        features = np.asarray(self.model.flat(x.detach().cpu().numpy()))
        outputs = program.decode_output(program(program.input.encode(features)))
        return torch.tensor(outputs, dtype=torch.get_default_dtype())
