"""Clocks of FuncCode's nine designs (Vivado HLS 2019.1), from sizes and latencies of operators.

``python benchmarks/hls/funccode.py`` prints, for each design, the reported clocks, the modelled
ones, and what the model says with constants from the other designs alone. One edge a clock.

Latencies of float32 operators on UltraScale+ at 6.67 ns are constants: addition 5, multiplication
3, division 10, exponential 9; an accumulation takes 4 clocks between two terms.
"""

from __future__ import annotations

from dataclasses import dataclass

ADD, MULTIPLY, DIVIDE, EXPONENTIAL, ACCUMULATE = 5, 3, 10, 9, 4
# exp(x) is added to 1 and divides; tanh is a quotient of two such.
SILU = EXPONENTIAL + ADD + DIVIDE
TANH = EXPONENTIAL + 2 * ADD + DIVIDE
ORDER, DEGREE = 3, 3
# Of the spline of an input, order + 1 functions and the base are not 0.
SPLINE_TERMS = ORDER + 2
SPLINE_BASIS = ORDER * (DIVIDE + MULTIPLY + ADD)
GRAM_BASIS = TANH + (DEGREE - 1) * (2 * MULTIPLY + ADD) + 2 * SILU

CLOCKS = {
    "D1": 1_062_457, "D2": 50_983, "D3": 50_983,
    "G1": 289_938, "G2": 51_512, "G3": 51_512,
    "K1": 1_877_859, "K2": 294_316, "K3": 294_316,
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """Inputs, outputs and windows of a layer."""

    n: int
    m: int
    windows: int = 1

    @property
    def edges(self) -> int:
        """Turns at an edge a clock."""
        return self.n * self.m * self.windows


DENSE = (Layer(784, 64), Layer(64, 10))
CONVOLUTIONS = (Layer(9, 16, 196), Layer(144, 32, 49), Layer(32, 10))


@dataclass(frozen=True)
class Overheads:
    """What integer layers take besides their edges, clocks.

    Parameters
    ----------
    dense, output
        Of a dense layer, and for each of its outputs.
    norm, normalised
        Of a normalisation, and for each of its values.
    window, channel
        Of a window, and for each of its outputs.
    """

    dense: float = 8
    output: float = 2
    norm: float = 116.5
    normalised: float = 4
    window: float = 8.8
    channel: float = 8


TOP = 3
NO_NORM = {"norm": 0.0, "normalised": 0.0}


def parts(name: str) -> tuple[float, float]:
    """Clocks of a float32 design: those of its sums, and those of its bases."""
    layers = CONVOLUTIONS if name[0] == "K" else DENSE
    edges = sum(layer.edges for layer in layers)
    evaluated = sum(layer.n * layer.windows for layer in layers)
    if name[0] == "D":
        return edges * SPLINE_TERMS * ACCUMULATE, evaluated * SPLINE_BASIS
    return edges * ACCUMULATE, evaluated * GRAM_BASIS


def integer_clocks(name: str, o: Overheads) -> float:
    """Clocks of a design in integers."""
    layers = CONVOLUTIONS if name[0] == "K" else DENSE
    total = sum(layer.edges for layer in layers) + float(TOP)
    for layer in layers:
        if layer.windows > 1:
            total += layer.windows * (layer.m * o.channel + o.window)
            continue
        total += layer.m * o.output + o.dense
        if name[0] != "D":
            total += layer.m * o.normalised + o.norm
    return total


def modelled(name: str) -> float:
    """Clocks of a design with the constants above."""
    return sum(parts(name)) if name[1] == "1" else integer_clocks(name, Overheads())


def without(name: str) -> float:
    """Clocks of a design with constants that come from the others alone.

    Of float32, a factor on the bases' latencies is fitted to the other two. Of integers, both
    designs of a family are left out, since they have the same clocks: then nothing is known of
    norms (G), or a window costs what a dense layer does (K), and a dense layer
    costs nothing but its edges (D).
    """
    if name[1] == "1":
        others = [own for own in ("D1", "G1", "K1") if own != name]
        wanted = [(CLOCKS[own] - parts(own)[0], parts(own)[1]) for own in others]
        factor = sum(y * x for y, x in wanted) / sum(x * x for _, x in wanted)
        return parts(name)[0] + factor * parts(name)[1]
    known = Overheads()
    if name[0] == "G":
        return integer_clocks(name, Overheads(**NO_NORM))
    if name[0] == "K":
        return integer_clocks(name, Overheads(window=known.dense, channel=known.output))
    return integer_clocks(name, Overheads(dense=0, output=0))


def main() -> None:
    """Print the table."""
    print("design   reported   modelled    error   left out    error")
    for name, reported in CLOCKS.items():
        values = modelled(name), without(name)
        columns = "  ".join(f"{v:>9,.0f} {100 * (v / reported - 1):>+6.2f} %" for v in values)
        print(f"{name:6} {reported:>10,}  {columns}")


if __name__ == "__main__":
    main()
