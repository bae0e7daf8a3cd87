"""A training for the fabric from data to Programs: the front of a network."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from kanhw.errors import InputError, TrainingDiverged
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.program import Program
from kanhw.quant.fabric.cost import fabric_cost
from kanhw.quant.fabric.fitting import Fitter, Samples
from kanhw.quant.fabric.front import Front, Point, unbeaten
from kanhw.quant.fabric.learned.lowering import lowered, unequal_values
from kanhw.quant.fabric.learned.network import Networks
from kanhw.quant.fabric.learned.parameters import Layout
from kanhw.quant.fabric.learned.shape import Shape, shape_of
from kanhw.quant.fabric.learned.source import structure_of_model, structure_of_shape
from kanhw.quant.fabric.learned.task import FabricTask, task_of
from kanhw.quant.fabric.parts import COPIES, fewest, fold_parts, one_part
from kanhw.quant.fabric.saved import load_state, save_state
from kanhw.quant.fabric.settings import FabricSettings
from kanhw.quant.fabric.stages import RunState, Stages
from kanhw.quant.training.fitting.samples import targets_of
from kanhw.targets.table import MODELLED

__all__ = ["Data", "FabricTraining", "Teller"]

Teller = Callable[[Program, str, str, bool], float]
"""What a Program costs on a target and a fabric, tables merged or not, without encoders on chip."""

# The weight of a LUT at both ends of the ramp where none is given, by task.
_PRESSURE = {
    "classification": (1e-4, 2e-3),
    "binary": (1e-4, 2e-3),
    "regression": (3e-4, 2e-2),
}
# What the cost weighs in the loss at the start, at most, where no weight is given: networks of
# thousands of edges would be pruned before they have learned anything.
_START_WEIGHT = 0.1
_NOISE_SEED = 0
# Features of which a Program and the network are compared at once.
_AT_ONCE = 1 << 22
# Seconds between two states that are written down.
_SAVED_EVERY = 10.0


@dataclass(frozen=True, eq=False)
class Data:
    """Training and validation part: features ``[N, n_in]`` and targets as users give them."""

    x: FloatArray
    y: np.ndarray
    validation_x: FloatArray
    validation_y: np.ndarray

    def __post_init__(self) -> None:
        for part, x, y in (
            ("training", self.x, self.y),
            ("validation", self.validation_x, self.validation_y),
        ):
            if x.ndim != 2 or x.dtype.kind != "f":
                raise InputError(f"Features of the {part} part must be reals [N, n_in]")
            if len(x) != len(y) or not len(x):
                raise InputError(f"The {part} part has {len(x)} samples but {len(y)} targets")
            if not np.isfinite(x).all():
                row, column = (int(k) for k in np.argwhere(~np.isfinite(x))[0])
                raise InputError(
                    f"Features of the {part} part hold NaN or infinity (sample {row}, feature "
                    f"{column}): remove or fill those rows"
                )
        if self.x.shape[1] != self.validation_x.shape[1]:
            raise InputError(
                f"The validation part has {self.validation_x.shape[1]} features, the training part "
                f"{self.x.shape[1]}"
            )


class FabricTraining:
    """Learns widths and weights of a network.

    Parameters
    ----------
    network
        A shape, to begin from scratch (sizes, or a text as :mod:`.learned.shape` says), or a
        trained float model.
    data
        Trained on, and chosen by.
    settings
        How.
    tellers
        By kind of cost what points are told to cost; those of other kinds are told by the formula
        that was minimised, of whole widths.
    """

    def __init__(
        self,
        network: KanModel | Sequence[int] | str,
        data: Data,
        settings: FabricSettings,
        tellers: Mapping[str, Teller] = MappingProxyType({}),
    ) -> None:
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise InputError(
                "PyTorch sees no CUDA GPU here: leave device (--device) out, or install a PyTorch "
                "with CUDA"
            )
        self.data, self.settings = data, settings
        self.tell = tellers.get(settings.fabric_cost)
        given: KanModel | Shape = network if isinstance(network, KanModel) else shape_of(network)
        own, held_out = targets_of(data.y, data.validation_y, given.n_out)
        self.task: FabricTask = task_of(own, given.n_out)
        if isinstance(given, KanModel):
            structure = structure_of_model(given, data.x, self.task, settings.most_bits)
        else:
            structure = structure_of_shape(given, data.x, self.task, settings.most_bits)
        self.layout = Layout(structure)
        self.networks = Networks(
            self.layout,
            settings.cost(),
            encoder=settings.encoder,
            merge_tables=settings.merge_tables,
        )
        parts = [
            Samples(self._features(x), self.task.own_units(targets.values))
            for x, targets in ((data.x, own), (data.validation_x, held_out))
        ]
        both = Samples(torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts]))
        seeds, rows = len(settings.seeds), len(both)
        if settings.folds is None:
            split = one_part(len(parts[0]), len(parts[1]), seeds)
        else:
            split = fold_parts(both.y, settings.folds, seeds)
        samples = _with_noise(both, settings.jitter) if settings.jitter else both
        fitter, everything = (
            Fitter(
                self.networks,
                self.task,
                samples,
                settings.batch_size,
                settings.smoothness,
                count,
                settings.device,
            )
            for count in (fewest(split), rows)
        )
        self.stages = Stages(fitter, everything, split, settings, self._pressure())
        self.identity = self._identity()

    def run(
        self,
        state_file: Path | None = None,
        on_epoch: Callable[[RunState], None] | None = None,
    ) -> tuple[Front, dict[str, Program]]:
        """Train to the end; the front, and the Program of every point by name.

        Parameters
        ----------
        state_file
            Where the state is written now and then, and read at the start; None is nowhere.
        on_epoch
            Is told the state behind every epoch, and at the end, before costs are counted.

        Raises
        ------
        InputError
            If the state is of another training.
        TrainingDiverged
            If parameters are not finite.
        """
        known = None if state_file is None else load_state(state_file, self.identity)
        state = known or self.stages.begin()
        saved = time.monotonic()
        for _ in self.stages.run(state):
            if not bool(torch.isfinite(state.fitted.rows).all()):
                raise TrainingDiverged(
                    f"Training has diverged in epoch {state.epoch} of the {state.stage}: "
                    "parameters are not finite; use a smaller learning_rate"
                )
            if state_file is not None and time.monotonic() - saved > _SAVED_EVERY:
                save_state(state_file, state, self.identity)
                saved = time.monotonic()
            if on_epoch is not None:
                on_epoch(state)
        if state_file is not None:
            save_state(state_file, state, self.identity)
        if on_epoch is not None:
            on_epoch(state)
        return self._front(state)

    def _front(self, state: RunState) -> tuple[Front, dict[str, Program]]:
        rows = state.fitted.rows
        trained = self.stages.fitter.costs(rows).tolist()
        if state.merits is None:  # pragma: no cover - tuning is always measured
            raise TypeError("The networks were not measured")
        programs: dict[str, Program] = {}
        points = []
        for number, (own, merit) in enumerate(
            zip(state.snapshots.values(), state.merits.tolist(), strict=True)
        ):
            program = lowered(self.networks, rows[number], self.task)
            self._check_equal(rows[number], program)
            name = f"seed{own.seed}-{own.band}"
            programs[name] = program
            points.append(
                Point(
                    name=name,
                    seed=own.seed,
                    cost=self._told(rows[number], program, trained[number]),
                    validation=merit,
                    edges=program.active_edges,
                )
            )
        front = Front(
            unit=self.networks.cost.unit,
            metric=self.task.metric,
            validation_samples=min(len(own.held_out) for own in self.stages.parts.values()),
            points=unbeaten(points),
            settings=self.settings.to_json(),
        )
        return front, {own.name: programs[own.name] for own in front.points}

    def _told(self, row: torch.Tensor, program: Program, trained: float) -> float:
        """What a point is told to cost, which was trained under a cost."""
        if self.tell is None:
            return trained
        own, networks = self.settings, self.networks
        told = self.tell(program, own.target, own.fabric, own.merge_tables)
        return told + float(networks.encoder_costs(row[None]))

    def _check_equal(self, row: torch.Tensor, program: Program) -> None:
        """Level 1: the Program is the network, code by code, on all data."""
        wrong = sum(
            unequal_values(self.networks, row, self.task, program, part)
            for x in (self.data.x, self.data.validation_x)
            for part in np.array_split(x, -(-x.size // _AT_ONCE))
        )
        if wrong:
            raise AssertionError(
                f"The Program differs from the network that was trained in {wrong} values"
            )

    def _features(self, x: FloatArray) -> torch.Tensor:
        shares = self.layout.structure.shares(x)
        return torch.tensor(shares, dtype=torch.get_default_dtype())

    def _pressure(self) -> tuple[float, float]:
        """The weights of the cost in its own unit, from those of LUTs; of tables apart."""
        start = self.layout.start(0, 0)[None]
        luts = Networks(self.layout, fabric_cost("lut", MODELLED, "ultrascale+"))
        apart = Networks(self.layout, self.settings.cost(), encoder=self.settings.encoder)
        with torch.no_grad():
            as_luts, own = (float(each.costs(each.evaluate(start))) for each in (luts, apart))
        low, high = self.settings.pressure or _PRESSURE[self.task.name]
        if self.settings.pressure is None:
            low = min(low, _START_WEIGHT / as_luts)
        return low * as_luts / own, high * as_luts / own

    def _identity(self) -> str:
        digest = hashlib.sha256(json.dumps(self.settings.to_json(), sort_keys=True).encode())
        digest.update(repr(self.networks.cost).encode())
        structure = self.layout.structure
        arrays = [self.data.x, self.data.y, self.data.validation_x, self.data.validation_y]
        for layer in structure.layers:
            arrays += [layer.functions, layer.coefficients, layer.bias]
            digest.update(f"{layer.reading.window} {layer.pool}".encode())
        for array in arrays:
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _with_noise(samples: Samples, jitter: float) -> Samples:
    """The samples, and behind them copies with noise on features, another one in every copy."""
    random = torch.Generator().manual_seed(_NOISE_SEED)
    x = samples.x.repeat(COPIES, 1)
    noise = torch.randn(x.shape, generator=random, dtype=x.dtype) * samples.x.std(dim=0)
    y = samples.y.repeat(COPIES + 1, *(1 for _ in samples.y.shape[1:]))
    return Samples(torch.cat([samples.x, x + jitter * noise]), y)
