"""What a training for the fabric is told, checked when it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kanhw.errors import InputError
from kanhw.quant.config.checks import check_integer, check_number, check_switch, make_plain
from kanhw.quant.fabric.cost import FabricCost, fabric_cost
from kanhw.targets.table import MODELLED
from kanhw.values import brief, is_number

__all__ = ["DEVICES", "FabricSettings"]

DEVICES = ("cpu", "cuda")
"""What a training runs on."""


@dataclass(frozen=True, kw_only=True)
class FabricSettings:
    """How widths are learned.

    Parameters
    ----------
    fabric_cost
        ``lut``, ``bram`` or ``bit-operations``: what is kept small.
    target, fabric
        An FPGA family, and how its cells are used: ``portable`` or ``ultrascale+``.
    encoder
        Whether real inputs are encoded on chip, so that the encoder counts too.
    merge_tables
        Whether tables of one output become one where that takes fewer LUTs, as a schedule's
        ``merge_tables`` has it: the cost is then that of what is left.
    seeds
        Of the trainings, each with starts and orders of its own.
    folds
        Parts of the data, of which every seed holds out another one, so that the mean over seeds
        is a cross-validation; None: all seeds hold out the validation part.
    starts
        Random starts of every seed, of which the best one goes on.
    epochs
        Passes over the data while the weight of the cost rises; None is as many as make 12,000
        steps. A twentieth of them is what every start gets, and every point with its widths
        frozen; a fifth is what a refit has.
    batch_size, learning_rate
        Samples of a step, and the rate of hidden coefficients and widths at its start.
    pressure
        The weight of the cost at the start and at the end of the ramp, for LUTs; other units are
        brought to it by what the network costs at the start. None is 1e-4 to 2e-3 for classes, of
        cross entropies, and 3e-4 to 2e-2 for reals, of logarithms of the error.
    smoothness
        Weights of the roughness of hidden edges, and of those of the last layer: the integral of
        the squared second derivative over the range of the input.
    jitter
        Deviation of noise that is added to features in training, in units of their own deviation:
        few samples of many features are then less easily learned by heart.
    most_bits
        The most address bits of a table, 1 to 8.
    spacing
        The ratio of costs from one point of the front to the next.
    refit
        Whether every point is trained once more on all data, validation included, before it is
        written; what is told of its validation was measured before.
    device
        ``cpu``, or ``cuda``: PyTorch then makes the steps, on the GPU. The same call on another
        device ends with other networks, as sums are rounded in another order.
    """

    fabric_cost: str = "lut"
    target: str = MODELLED
    fabric: str = "portable"
    encoder: bool = False
    merge_tables: bool = False
    seeds: Sequence[int] = (0,)
    folds: int | None = None
    starts: int = 8
    epochs: int | None = None
    batch_size: int = 256
    learning_rate: float = 0.01
    pressure: tuple[float, float] | None = None
    smoothness: tuple[float, float] = (3e-5, 3e-7)
    jitter: float = 0.0
    most_bits: int = 6
    spacing: float = 1.15
    refit: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        make_plain(self)
        self.cost()
        object.__setattr__(self, "seeds", tuple(self.seeds))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"seeds must be integers, each another, not {brief(self.seeds)}")
        for seed in self.seeds:
            check_integer("seeds", seed, 0, 2**31 - 1)
        if self.folds is not None:
            check_integer("folds", self.folds, 2, 1000)
        check_integer("starts", self.starts, 1, 10_000)
        if self.epochs is not None:
            check_integer("epochs", self.epochs, 1, 1_000_000)
        check_integer("batch_size", self.batch_size, 1, 1_000_000)
        check_integer("most_bits", self.most_bits, 1, 8)
        check_number("learning_rate", self.learning_rate)
        if not 0 < self.learning_rate < 1:
            raise InputError(f"learning_rate must be above 0, below 1, not {self.learning_rate}")
        check_number("jitter", self.jitter)
        if not 0 <= self.jitter <= 2:
            raise InputError(f"jitter must be 0 to 2, not {self.jitter}")
        check_number("spacing", self.spacing)
        if not 1.01 <= self.spacing <= 4:
            raise InputError(f"spacing must be 1.01 to 4, not {self.spacing}")
        self._check_pairs()
        for switch in ("encoder", "merge_tables", "refit"):
            check_switch(switch, getattr(self, switch))
        if self.device not in DEVICES:
            raise InputError(f"device must be {' or '.join(DEVICES)}, not {brief(self.device)}")
        if self.merge_tables and self.fabric_cost != "lut":
            raise InputError(
                f"merge_tables keeps LUTs small, not the cost {self.fabric_cost!r}: leave it out, "
                "or train with the cost 'lut'"
            )

    def _check_pairs(self) -> None:
        """Two numbers each, of which the pressure may be left open."""
        for name in ("pressure", "smoothness"):
            pair = getattr(self, name)
            if pair is None and name == "pressure":
                continue
            if len(pair) != 2 or not all(is_number(own) and own >= 0 for own in pair):
                raise InputError(f"{name} must be two numbers of at least 0, not {brief(pair)}")
            object.__setattr__(self, name, tuple(map(float, pair)))
        if self.pressure is not None and not 0 < self.pressure[0] <= self.pressure[1]:
            raise InputError(
                f"pressure must rise from above 0, not go from {self.pressure[0]} to "
                f"{self.pressure[1]}"
            )

    def cost(self) -> FabricCost:
        """The cost that is kept small."""
        return fabric_cost(self.fabric_cost, self.target, self.fabric)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
