"""One KAN layer and the linear layer of equal shape and bits: what each costs, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

import kanhw
from benchmarks.common.networks import Recipe, fresh_network
from kanhw.errors import InputError
from kanhw.estimation.clocks import DesignClocks, clocks_of
from kanhw.estimation.modelled_power import modelled_power
from kanhw.estimation.resource_model import Resources, resources_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import FloatArray, IntArray
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.layers import PyKAN, model_of
from kanhw.model.network import KanModel
from kanhw.model.rescaling import linear_layer
from kanhw.program import BasisTableLayer, Program
from kanhw.schedule.schedule import Schedule

__all__ = [
    "REACH",
    "REALISATIONS",
    "TARGET",
    "Bits",
    "Energy",
    "LayerCosts",
    "Networks",
    "measured",
]

TARGET = "xcup"
# Energy per inference does not depend on it.
CLOCK_MHZ = 200.0
ROWS = 400
# Half the width of what the inputs are spread over: the grid of the variant.
REACH: Mapping[str, float] = {"EfficientKAN": 1.0, "FastKAN": 2.0, "KAGN": 2.0, "PyKAN": 1.0}
OPTIONS: Mapping[str, dict[str, Any]] = {"PyKAN": {"grid": 5}}
# Whose inputs a linear layer has; what it costs does not depend on their range.
LINEAR_ROWS = "EfficientKAN"
SHAPES = 8


@dataclass(frozen=True)
class Bits:
    """Bits of codes at both ends, of what is tabulated or evaluated, and of weights."""

    codes: int
    basis: int
    weights: int


def _edge_table(bits: Bits) -> dict[str, Any]:
    return {"table_bits": bits.basis}


def _basis_table(bits: Bits) -> dict[str, Any]:
    return {"basis_bits": bits.basis, "base_table_bits": max(bits.basis, 2)}


def _codebook(bits: Bits) -> dict[str, Any]:
    return {
        "codebook.size": SHAPES,
        "codebook.shape_bits": bits.basis,
        "codebook.gain_bits": bits.weights,
        "codebook.bias_bits": bits.weights,
        "base_table_bits": bits.basis,
    }


# How each is asked for: what "basis bits" are of it.
REALISATIONS: Mapping[str, Callable[[Bits], dict[str, Any]]] = {
    "edge_table": _edge_table,
    "basis_table": _basis_table,
    "codebook": _codebook,
    "spline_evaluator": _basis_table,
}
# Schedules under which what makes values is apart from what weights them. Entries of edge tables,
# and of the tables that unrolled codebooks become, are weighted values already.
APART: Mapping[str, tuple[str, ...]] = {
    "edge_table": (),
    "branch_edge_table": (),
    "basis_table": ("unrolled", "folded"),
    "codebook": ("folded",),
    "spline_evaluator": ("unrolled", "folded"),
}


@dataclass(frozen=True)
class Networks:
    """Untrained networks of one shape and seed: the first layer of each is looked at.

    Parameters
    ----------
    n_in, n_out
        Of that layer. The one behind it is there for the ranges of the codes in between.
    seed
        Of weights and inputs.
    """

    n_in: int
    n_out: int
    seed: int

    def rows(self, variant: str) -> FloatArray:
        """Random inputs over the grid of a variant."""
        rng = np.random.default_rng(self.seed)
        return REACH[variant] * rng.uniform(-1, 1, (ROWS, self.n_in))

    def kan(self, variant: str) -> KanModel:
        """A network of a variant; without norms and activations behind sums, which are no basis."""
        if variant not in REACH:
            raise InputError(
                f"There is no variant {variant!r} here: choose one of {', '.join(REACH)}"
            )
        recipe = Recipe(
            sizes=(self.n_in, self.n_out, 2), options=OPTIONS.get(variant, {}), epochs=0
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = fresh_network(variant, recipe).eval()
            if isinstance(network, PyKAN):
                # As in use: knots are where the data are, and no longer uniform.
                network.update_grid(torch.tensor(self.rows(variant), dtype=torch.float32))
                model = network.to_model()
            else:
                model = model_of(network, None)
        bare = tuple(replace(layer, spline_norm=None, post=()) for layer in model.layers)
        return replace(model, layers=bare)

    def linear(self) -> KanModel:
        """Two linear layers, weights drawn from a normal distribution."""
        rng = np.random.default_rng([self.seed, 1])
        sizes = ((self.n_out, self.n_in), (2, self.n_out))
        layers = tuple(
            linear_layer(f"layers.{k}", rng.normal(size=size), np.zeros(size[0]))
            for k, size in enumerate(sizes)
        )
        return KanModel(layers)

    def kan_program(self, model: KanModel, variant: str, realisation: str, bits: Bits) -> Program:
        """The first layer of a KAN in integers, codes in and out.

        Raises
        ------
        InputError
            If the quantizer refuses it, or there is no such realisation.
        """
        asked = REALISATIONS.get(realisation)
        if asked is None:
            raise InputError(
                f"There is no realisation {realisation!r} here: choose one of "
                f"{', '.join(REALISATIONS)}"
            )
        return _first(model, self.rows(variant), bits, {"realisation": realisation, **asked(bits)})

    def linear_program(self, bits: Bits) -> Program:
        """The first linear layer in integers: codes times weights, codes in and out."""
        asked = {"realisation": "basis_table", "base_table_bits": bits.codes}
        return _with_codes(_first(self.linear(), self.rows(LINEAR_ROWS), bits, asked))

    def tabulated_program(self, bits: Bits) -> Program:
        """The same layer with its products in edge tables, entries of ``bits.basis``."""
        asked = {"realisation": "edge_table", **_edge_table(bits)}
        return _first(self.linear(), self.rows(LINEAR_ROWS), bits, asked)


def _first(model: KanModel, rows: FloatArray, bits: Bits, asked: dict[str, Any]) -> Program:
    program = kanhw.quantize(
        model,
        rows,
        activation_bits=bits.codes,
        input_bits=bits.codes,
        spline_bits=bits.weights,
        base_bits=bits.weights,
        input_granularity="tensor",
        activation_granularity="tensor",
        branch_inputs="shared",
        method="uniform",
        **asked,
    )
    return Program(program.layers[:1], program.input)


def _with_codes(program: Program) -> Program:
    """The same layer on its codes: the quantizer's table of x is a rounded copy of them."""
    (layer,), format = program.layers, program.input.format
    if not isinstance(layer, BasisTableLayer):
        raise TypeError(f"a linear layer is a basis_table, not a {layer.kind}")
    codes = np.arange(format.lo, format.hi + 1)[None, :, None]
    joins = tuple(replace(each, sum_format=None) for each in layer.requantizers)
    own = replace(layer, base=codes, requantizers=joins, accumulator_formats=None)
    return Program((own,), program.input)


@dataclass(frozen=True)
class Energy:
    """A band of joule; not complete where a multiplier block is in it: its energy is not known."""

    low: float
    high: float
    complete: bool

    @property
    def middle(self) -> float:
        """As ``kanhw estimate`` says it; a lower bound where it is not complete."""
        return (self.low * self.high) ** 0.5

    @property
    def mean(self) -> float:
        """The arithmetic middle: of parts, it adds up to that of the whole."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class LayerCosts:
    """What a layer costs, altogether and by part.

    Parameters
    ----------
    whole
        Resources of the design, as the grade ``model`` has them.
    sources, sums
        Of that, what makes values of codes, and what weights and adds them.
    wires
        Of the sources, their tables: those of a linear layer are wires.
    apart
        Whether sources are bases and nothing but bases.
    clocks
        Of the design.
    source_clocks
        Of its latency, those of the sources; None where that is not one number.
    energy
        Dynamic energy an inference of some resources.
    """

    whole: Resources
    sources: Resources
    sums: Resources
    wires: Resources
    apart: bool
    clocks: DesignClocks
    source_clocks: int | None
    energy: Callable[[Resources], Energy]

    @property
    def rest(self) -> Resources:
        """Joins, rounding, saturation, buffers, handshake: what is neither."""
        return less(less(self.whole, self.sources), self.sums)

    @property
    def linear(self) -> LayerCosts:
        """Without the tables, which are wires where they hold nothing but codes."""
        return replace(
            self, whole=less(self.whole, self.wires), sources=less(self.sources, self.wires)
        )

    def share(self, part: Resources, whole: Energy) -> float:
        """Of the whole's energy; by the arithmetic middle of bands, so that parts add up."""
        return self.energy(part).mean / whole.mean


def less(whole: Resources, part: Resources) -> Resources:
    """Resources without those of a part."""
    return Resources(
        whole.lut - part.lut,
        whole.bram - part.bram,
        whole.dsp - part.dsp,
        whole.ff - part.ff,
        (whole.carry or 0) - (part.carry or 0),
    )


_Split = tuple[HardwareCosts, HardwareCosts, int | None]


def _unrolled(stage: Any) -> _Split:
    (core,) = stage.core.cores
    parts = core.own_parts
    return parts.sources, parts.sums, core.source_latency


def _folded(stage: Any) -> _Split:
    parts, nothing = stage.folded.parts, HardwareCosts()
    sources = sum((part.source_costs for part in parts), nothing)
    return sources, sum((part.weighting_costs for part in parts), nothing), None


# Of the only stage of a design, by its schedule.
_SPLITS: Mapping[str, Callable[[Any], _Split]] = {
    "unrolled": _unrolled,
    "folded": _folded,
}


def measured(program: Program, schedule: Schedule, rows: FloatArray) -> LayerCosts:
    """The costs of a Program of one layer under a schedule, fed with rows.

    Raises
    ------
    InputError
        If nothing says whether sources of layers of its kind are bases, or the input has ranges or
        a conversion, which no part here is of.
    """
    (layer,) = program.layers
    apart = APART.get(layer.kind)
    if apart is None:
        raise InputError(
            f"Nothing says whether values and weights are apart in layers of kind {layer.kind!r}: "
            "add it to APART (benchmarks.estimates.layer_tax)"
        )
    if program.conversion is not None or program.input.ranged:
        raise InputError("The input must have one range for all features and no conversion")
    with unbuilt():
        top = StreamTop(program, schedule)
        clocks, whole = clocks_of(top), resources_of(top.costs, TARGET)
        (stage,) = top.stages
        sources, sums, source_clocks = _SPLITS[schedule.kind](stage)
        del top, stage
    tables = HardwareCosts(table_bits=sources.table_bits)
    return LayerCosts(
        whole=whole,
        sources=resources_of(sources, TARGET),
        sums=resources_of(sums, TARGET),
        wires=resources_of(tables, TARGET),
        apart=schedule.kind in apart,
        clocks=clocks,
        source_clocks=source_clocks,
        energy=_energy_of(program, schedule, clocks, program.input.encode(rows)),
    )


def _energy_of(
    program: Program, schedule: Schedule, clocks: DesignClocks, codes: IntArray
) -> Callable[[Resources], Energy]:
    def energy(resources: Resources) -> Energy:
        power = modelled_power(
            *(program, schedule, TARGET, resources, clocks, codes),
            clock_mhz=CLOCK_MHZ,
            part=None,
            stimulus="random rows over the grid",
        )
        band = power.energy_per_inference_j["dynamic"]
        if band is None:
            raise InputError(f"No dynamic energy is modelled for {TARGET}")
        return Energy(band.low, band.high, not power.unknown)

    return energy
