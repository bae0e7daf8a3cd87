"""W4A4 over FP32 in HLS: throughput and energy per inference, by variant, shape and schedule.

    python -m benchmarks.hls.w4a4 [--networks NAME ...] [--seeds 0 1] [--json FILE]

Each network is written twice: as the float32 C++ of a user without quantization
(``kanhw.hls.float_sources``), and in integers of 4-bit weights and activations under some schedules
(``--backend hls``, tables of bases). Both are modelled with the operators of Vivado HLS 2019.1 at
6.67 ns on UltraScale+ (``kanhw.hls.model``), at the same clock; clocks are those between two
inferences, at most. Networks are untrained, weights and inputs drawn by seed: what they cost
follows from their shape and bits. FuncCode's designs, of the authors of QuantKAN, stand below, by
their own C++.

Energy is that of uses of operators and reads of memories, with a range; the ratio is given for the
middles, the low ends and the high ends of both; and once more with the static power of an xcvu9p
over the time of an inference. A design that is larger than that part is marked.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.networks import Recipe, fresh_network
from benchmarks.hls.funccode_designs import DESIGNS, Facts
from kanhw.errors import InputError
from kanhw.hls.files.scripts import Target
from kanhw.hls.generate import write_cpp
from kanhw.hls.model.design_model import function_of, model_design
from kanhw.hls.model.energy import inference_energy
from kanhw.hls.model.floating import float_function, model_of_float
from kanhw.layers import PyKAN, model_of
from kanhw.model.network import KanModel
from kanhw.schedule.schedule import Schedule
from kanhw.targets.energies import Band
from kanhw.targets.table import energies_of

BITS: dict[str, Any] = {
    **dict.fromkeys(("base_bits", "spline_bits", "activation_bits"), 4),
    "realisation": "basis_table",
}
ROWS = 256
# Look-up tables, multiplier blocks and block RAMs of 18 kbit of the part, as reports list them.
PART, LIMITS, PERIOD_NS = "xcvu9p", (1_182_240, 6_840, 4_320), 6.67
HEAD = (
    *("network", "design", "clocks", "LUT", "DSP", "BRAM18", "throughput x"),
    *("dynamic uJ (low high)", "energy x (low high)", "with static x"),
)
WIDTHS = (30, 13, 9, 7, 4, 6, 12, 22, 20)
SMALL, LARGE = (64, 16, 10), (784, 64, 10)


@dataclass(frozen=True)
class Shape:
    """A network to compare.

    Parameters
    ----------
    variant, sizes
        What is made.
    image
        Shape of an image, for a network that convolves.
    lanes
        Inputs and outputs at a time of the folded schedules.
    unrolled
        Whether all edges at once are tried; the port of 784 codes is wider than HLS can have.
    """

    variant: str
    sizes: tuple[int, ...]
    image: tuple[int, int, int] | None
    lanes: tuple[tuple[int, int], ...]
    unrolled: bool = True


FOLDS, WINDOWS = ((1, 1), (4, 2), (8, 8)), ((1, 1), (3, 4))
NETWORKS: Mapping[str, Shape] = {
    **{
        f"{variant} {'-'.join(map(str, sizes))}": Shape(variant, sizes, None, FOLDS, sizes is SMALL)
        for sizes in (SMALL, LARGE)
        for variant in ("EfficientKAN", "FastKAN", "PyKAN", "KAGN")
    },
    "KAGN conv 1-8-16, 8 x 8": Shape("KAGNConv", (1, 8, 16, 10), (1, 8, 8), WINDOWS),
    "KAGN conv 1-16-32, 28 x 28": Shape("KAGNConv", (1, 16, 32, 10), (1, 28, 28), WINDOWS, False),
}


def float_model(shape: Shape, seed: int) -> tuple[KanModel, np.ndarray]:
    """An untrained network, and random inputs."""
    options: dict[str, Any] = {"grid": 5} if shape.variant == "PyKAN" else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = fresh_network(shape.variant, Recipe(sizes=shape.sizes, options=options, epochs=0))
    network = network.eval()
    n_in = int(np.prod(shape.image)) if shape.image else shape.sizes[0]
    x = np.random.default_rng(seed).uniform(-1, 1, (ROWS, n_in))
    if isinstance(network, PyKAN):
        return network.to_model(), x
    return model_of(network, shape.image), x


@dataclass(frozen=True)
class Made:
    """What a design takes, its clocks between two inferences, and its energy."""

    label: str
    clocks: int
    lut: int
    dsp: int
    bram18: int
    energy: Mapping[str, Band | None]

    @property
    def fits(self) -> bool:
        """Whether the part has room for it."""
        own = (self.lut, self.dsp, self.bram18)
        return all(a <= b for a, b in zip(own, LIMITS, strict=True))

    @property
    def total(self) -> Band | None:
        """Energy with the part's static power."""
        dynamic = self.energy["dynamic"]
        static = energies_of("xcup").static_w[PART]
        return None if dynamic is None else dynamic + static * (1e-9 * PERIOD_NS * self.clocks)


def as_float(model: KanModel) -> Made:
    """The float32 baseline."""
    report, function = model_of_float(model), float_function(model)
    clocks = report.interval_max or 0
    energy = inference_energy(function, clocks)
    return Made("FP32", clocks, report.lut or 0, report.dsp or 0, report.bram18 or 0, energy)


def as_integers(program: kanhw.Program, label: str, schedule: Schedule) -> Made:
    """A schedule of the quantized network."""
    design = write_cpp(program, schedule, "kan", Target())
    report = model_design(design)
    clocks = report.interval_max or 0
    energy = inference_energy(function_of(design), clocks)
    return Made(label, clocks, report.lut or 0, report.dsp or 0, report.bram18 or 0, energy)


def schedules(shape: Shape) -> Mapping[str, Schedule]:
    """By what they are called."""
    found = {
        f"folded {a} x {b}": Schedule(kind="folded", parallel_inputs=a, parallel_outputs=b)
        for a, b in shape.lanes
    }
    return {**found, "unrolled": Schedule()} if shape.unrolled else found


def microjoule(band: Band | None) -> str:
    """The middle and the ends."""
    if band is None:
        return "unknown"
    return " ".join(f"{1e6 * v:.3g}" for v in (band.middle, band.low, band.high))


def ratios(base: Band | None, own: Band | None) -> tuple[float, float, float] | None:
    """Of the middles, the low ends and the high ends."""
    if base is None or own is None:
        return None
    return base.middle / own.middle, base.low / own.low, base.high / own.high


def compare(table: Table, name: str, base: Made, others: list[Made]) -> list[dict[str, Any]]:
    """Print a network's designs beside its baseline."""
    rows = []
    for made in (base, *others):
        energy = made.energy["dynamic"]
        over = ratios(base.energy["dynamic"], energy)
        faster = base.clocks / made.clocks
        text = "-" if over is None else " ".join(f"{value:.3g}" for value in over)
        whole = ratios(base.total, made.total)
        label = made.label if made.fits else f"{made.label} (too large)"
        table.add(
            name, label, made.clocks, made.lut, made.dsp, made.bram18, f"{faster:.3g}",
            microjoule(energy), text, "-" if whole is None else f"{whole[0]:.3g}",
        )  # fmt: skip
        parts = {k: None if b is None else [b.low, b.high] for k, b in made.energy.items()}
        rows.append({"network": name, "design": made.label, "clocks": made.clocks,
                     "throughput": faster, "energy": over, "total": whole,
                     "lut": made.lut, "dsp": made.dsp, "bram18": made.bram18,
                     "fits": made.fits, "parts_j": parts})  # fmt: skip
    return rows


def networks(names: list[str], seeds: list[int]) -> list[dict[str, Any]]:
    """Every network of every seed; what has no C++ is named below."""
    table, rows, refused = Table(HEAD, WIDTHS), [], []
    for name in names:
        for seed in seeds:
            shape = NETWORKS[name]
            model, x = float_model(shape, seed)
            program = kanhw.quantize(model, x, **BITS)
            made = []
            for label, schedule in schedules(shape).items():
                try:
                    made.append(as_integers(program, label, schedule))
                except InputError as error:
                    refused.append(f"{name}, {label}: {error}")
            rows += compare(table, f"{name}, seed {seed}", as_float(model), made)
    print("\nrefused:", *refused, sep="\n  ")
    return rows


def published() -> list[dict[str, Any]]:
    """FuncCode's pairs of FP32 and W4A4."""
    print("\nFuncCode's C++ (FP32, W4A4, W4A4 with codebooks), modelled; clocks as reported\n")
    table, rows = Table(HEAD, WIDTHS), []
    made = {}
    for design in DESIGNS:
        function = design.make(Facts())
        taken = function.taken()
        energy = inference_energy(function, design.cycles)
        made[design.name] = Made(
            design.name, design.cycles, taken.lut, taken.dsp, taken.bram18, energy
        )
    for family, name in (("D", "splines"), ("G", "Gram"), ("K", "Gram, convolution")):
        base, *others = (made[f"{family}{k}"] for k in (1, 2, 3))
        rows += compare(table, name, base, others)
    return rows


def main() -> int:
    """Run and print."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    options = parser.parse_args()
    print(environment_line() + "\n")
    rows = networks(options.networks, options.seeds)
    write_results(options.json, {"networks": rows, "funccode": published()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
