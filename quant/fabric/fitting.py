"""Steps of training for many networks at once: Adam, with a rate of its own for every number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from kanhw.quant.fabric.learned.merging import MERGED_EVERY
from kanhw.quant.fabric.learned.network import Networks
from kanhw.quant.fabric.learned.task import FabricTask
from kanhw.quant.fabric.native.steps import NativeSteps, native_steps

__all__ = ["FittedState", "Fitter", "Samples"]

_BETAS = 0.9, 0.999
_EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs ``[N, n_in]`` in units of the ranges of the start, and targets ``[N, ...]``."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Samples:
        """The same on a device."""
        return Samples(self.x.to(device), self.y.to(device))


@dataclass(eq=False)
class FittedState:
    """Networks in training.

    Parameters
    ----------
    rows
        ``[S, size]``: their parameters.
    mean, square
        ``[S, size]``: Adam's moments.
    steps
        That were done.
    """

    rows: Tensor
    mean: Tensor
    square: Tensor
    steps: int = 0

    @classmethod
    def of(cls, rows: Tensor) -> FittedState:
        """Before the first step."""
        return cls(rows.clone(), torch.zeros_like(rows), torch.zeros_like(rows))

    def to(self, device: torch.device) -> FittedState:
        """The same on a device."""
        rows, mean, square = (own.to(device) for own in (self.rows, self.mean, self.square))
        return FittedState(rows, mean, square, self.steps)


class Fitter:
    """Trains networks on samples.

    Parameters
    ----------
    networks, task
        What is trained, towards what.
    samples
        Of which every network is trained on some.
    batch
        Samples of a step.
    smoothness
        Weights of the roughness of hidden layers, and of the last one.
    count
        Samples of an epoch; None is all.
    device
        Where steps are made and figures of merit measured; what goes in and comes out is on the
        CPU.
    """

    def __init__(
        self,
        networks: Networks,
        task: FabricTask,
        samples: Samples,
        batch: int,
        smoothness: tuple[float, float],
        count: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.networks, self.task, self.samples = networks, task, samples.to(self.device)
        self.count = len(samples) if count is None else count
        self.batch = min(batch, self.count)
        self.smoothness = smoothness
        layout = networks.layout
        self.lower, self.upper = (layout.each(end).to(self.device) for end in ("lower", "upper"))
        on_cpu = self.device.type == "cpu"
        self.native = native_steps(networks, task, smoothness) if on_cpu else None

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return max(self.count // self.batch, 1)

    def epoch(
        self,
        state: FittedState,
        order: Sequence[Tensor],
        rates: Tensor,
        betas: Tensor | Sequence[float],
    ) -> None:
        """A pass over samples.

        Parameters
        ----------
        state
            Changed in place.
        order
            For every network the samples that it is trained on, as they follow each other.
        rates
            ``[S, size]`` or ``[size]``: learning rates.
        betas
            ``[steps]`` or ``[S, steps]``: the weight of the cost at every step.
        """
        weights = torch.as_tensor(betas, dtype=torch.float64).expand(len(state.rows), -1)
        rows = torch.stack([own[: self.steps * self.batch] for own in order])
        if self.native is not None:
            self._native_epoch(self.native, state, rows, rates, weights)
        else:
            self._tensor_epoch(state, *(own.to(self.device) for own in (rows, rates, weights)))

    def _tensor_epoch(
        self, state: FittedState, order: Tensor, rates: Tensor, betas: Tensor
    ) -> None:
        """The same by PyTorch, on the device."""
        moved = state.to(self.device)
        leaders = None
        for step, chosen in enumerate(torch.split(order, self.batch, dim=1)):
            known = leaders if step % MERGED_EVERY else None
            shape = chosen.shape
            x = self.samples.x.index_select(0, chosen.flatten()).reshape(*shape, -1)
            y = self.samples.y.index_select(0, chosen.flatten())
            y = y.reshape(*shape, *self.samples.y.shape[1:])
            leaders = self._step(moved, x, y, rates, betas[:, step], known)
        own = moved.to(torch.device("cpu"))
        state.rows, state.mean, state.square = own.rows, own.mean, own.square
        state.steps = own.steps

    def _native_epoch(
        self,
        native: NativeSteps,
        state: FittedState,
        order: Tensor,
        rates: Tensor,
        betas: Tensor,
    ) -> None:
        """The same by the kernel, networks shared among as many threads as PyTorch has."""
        samples = self.samples.x.contiguous(), self.samples.y.to(torch.float32).contiguous()
        each = rates.expand_as(state.rows)

        def run(k: int) -> None:
            native.epoch(
                state.rows[k],
                (state.mean[k], state.square[k]),
                state.steps,
                samples,
                order[k].reshape(self.steps, self.batch),
                (each[k], self.lower, self.upper),
                betas[k].tolist(),
            )

        threads = min(torch.get_num_threads(), len(state.rows))
        if threads == 1:
            for k in range(len(state.rows)):
                run(k)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, range(len(state.rows))))
        state.steps += self.steps

    def _step(
        self,
        state: FittedState,
        x: Tensor,
        y: Tensor,
        rates: Tensor,
        betas: Tensor,
        leaders: list[Tensor] | None,
    ) -> list[Tensor] | None:
        """A step; which edges share a table, found anew if that is not told."""
        rows = state.rows.requires_grad_(True)
        layers = self.networks.evaluate(rows)
        if leaders is None:
            leaders = self.networks.leaders(layers)
        loss = self.task.loss(self.networks.outputs(layers, x), y)
        costs = self.networks.costs(layers, leaders=leaders)
        loss = loss + (betas.to(costs) * costs).sum()
        for layer in layers:
            weight = self.smoothness[layer is layers[-1]]
            if weight:
                loss = loss + weight * layer.roughness().sum()
        (gradient,) = torch.autograd.grad(loss, rows)
        state.rows = rows.detach()
        with torch.no_grad():
            self._adam(state, gradient, rates)
        return leaders

    def _adam(self, state: FittedState, gradient: Tensor, rates: Tensor) -> None:
        state.steps += 1
        mean, square = _BETAS
        state.mean.lerp_(gradient, 1 - mean)
        state.square.mul_(square).addcmul_(gradient, gradient, value=1 - square)
        correction = math.sqrt(1 - square**state.steps) / (1 - mean**state.steps)
        change = state.mean / (state.square.sqrt().add_(_EPSILON)).mul_(1 / correction)
        state.rows.sub_(change.mul_(rates))
        torch.maximum(torch.minimum(state.rows, self.upper), self.lower, out=state.rows)

    def merit(self, rows: Tensor, chosen: Tensor) -> Tensor:
        """``[S]``: the figure of merit of networks on some of the samples."""
        chosen = chosen.to(self.device)
        x, y = self.samples.x[chosen], self.samples.y[chosen]
        sums = self.networks.outputs_of(rows.to(self.device), x)
        return self.task.merit(sums, y.expand(len(rows), *y.shape)).cpu()

    def costs(self, rows: Tensor) -> Tensor:
        """``[S]``: what networks cost as they are deployed."""
        networks = self.networks
        with torch.no_grad():
            groups = networks.groups(rows)
            return torch.cat([networks.costs(networks.evaluate(own), whole=True) for own in groups])
