"""FuncCode's nine designs as loops, operators and memories of the HLS model.

What a turn of a loop does is that of the authors' published C++ (MNIST, batch 1): D and G are dense
layers of 784-64-10, K two convolutions of 3 x 3 with stride 2 and a dense head. D has cubic
B-splines on 12 knots, G and K Gram polynomials of degree 3 with a norm and SiLU behind. In W4A4
bases are tables of 16 entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kanhw.hls.costs.operators import (
    FLOAT32,
    READ_REGISTERS,
    Operator,
    adder,
    choice,
    comparison,
    divider,
    gate,
    product,
    shifter,
)
from kanhw.hls.costs.work import Function, Loop, Register, Store

__all__ = ["DESIGNS", "WITHOUT", "Facts", "Published"]

ADD, SUM, TIMES, OVER = (FLOAT32[n] for n in ("add", "accumulate", "multiply", "divide"))
EXP, ROOT, NOT = (FLOAT32[n] for n in ("exponential", "root", "negate"))
CHOOSE = FLOAT32["choose"]
KNOTS, ORDER = 12, 3
# Dense layers, convolutions (inputs, outputs, windows, pixels of the image), the head behind.
DENSE = ((784, 64), (64, 10))
CONVOLUTIONS = ((9, 16, 196, 784), (144, 32, 49, 3136))
HEAD = (32, 10)
# A sum waits for itself, so a float loop takes a turn every 4 clocks.
WAIT = SUM.latency
SILU = EXP.latency + ADD.latency + OVER.latency
TANH = TIMES.latency + EXP.latency + 2 * ADD.latency + OVER.latency
LOAD = 2


@dataclass(frozen=True)
class Facts:
    """Figures of the model that the reports of one family alone show.

    Parameters
    ----------
    compare
        What a comparison of float32 takes: D.
    nested
        Writers and copies of a sum in a nest of loops: K.
    """

    compare: Operator = FLOAT32["compare"]
    nested: tuple[int, int] = (3, 4)


WITHOUT = {"D": Facts(compare=comparison(32)), "G": Facts(), "K": Facts(nested=(2, 1))}
"""What is left to assume where the designs of a family are left out."""


@dataclass(frozen=True)
class Published:
    """A design, and what its authors' report says (post-synthesis estimates)."""

    name: str
    make: Callable[[Facts], Function]
    cycles: int
    lut: int
    ff: int
    dsp: int
    bram18: int


def chain(*latencies: int) -> int:
    """Stages of a turn that reads, computes one after the other, and writes."""
    return LOAD + sum(latencies) + 1


# Float32 -----------------------------------------------------------------------------------------


def splines(facts: Facts) -> tuple[list[Loop], dict[Operator, int], int]:
    """Loops, operators and clocks of the cubic B-splines of an input, and of its SiLU."""
    turn = {ADD: 7, OVER: 2, TIMES: 2}
    depth = LOAD + ADD.latency * 2 + OVER.latency + TIMES.latency + ADD.latency + 1
    inner = Loop(KNOTS - 2, turn, None, depth, at_once={ADD: 4, OVER: 2, TIMES: 2}, loads=4)
    outer = Loop(ORDER, {}, None, 0, [inner])
    other = {facts.compare: 2 * KNOTS, CHOOSE: 2 * (KNOTS - 1), EXP: 1, ADD: 1, OVER: 1, NOT: 1}
    return [outer], other, LOAD + SILU + 1


def gram() -> tuple[list[Loop], dict[Operator, int], int]:
    """The same of Gram polynomials of degree 3."""
    turn = {TIMES: 2, ADD: 1, CHOOSE: 3}
    inner = Loop(2, turn, None, TIMES.latency + ADD.latency + 1)
    return [inner], {TIMES: 1, EXP: 2, ADD: 3, OVER: 2, NOT: 1}, LOAD + TANH + SILU


def float_edges(n: int, m: int, terms: int, sums: int) -> Loop:
    """The loop over the outputs of an input: so many products, and sums that go on."""
    uses = {TIMES: terms + 1, ADD: terms - 1 + (sums == 1), SUM: sums}
    depth = chain(TIMES.latency, (terms + (sums == 1)) * ADD.latency) - 1
    return Loop(m, uses, WAIT, depth, loads=terms + 1, reads={Store(n * m, 32, terms + 1): 1})


def float_dense(
    name: str, n: int, m: int, facts: Facts, *, spline: bool, sums: int = 2, norm: bool = False
) -> Function:
    """A dense layer; with one sum for each output, or one for each branch of it."""
    loops, uses, clocks = splines(facts) if spline else gram()
    # The first of the Gram polynomials is 1, which nothing is multiplied by.
    terms = KNOTS - 1 - ORDER if spline else 4
    edges = float_edges(n, m, terms, sums)
    if not spline:
        edges = replace(edges, uses={**edges.uses, TIMES: terms})
    body: list[Loop | Function] = [
        Loop(m, depth=1),
        Loop(n, uses, None, clocks, [*loops, edges],
             at_once={facts.compare: 4}, loads=(KNOTS * 2 if spline else 4)),
    ]  # fmt: skip
    if sums == 2:
        body.append(Loop(m, {ADD: 1}, 1, chain(ADD.latency) - 1))
    if norm:
        body.append(float_norm(f"{name} norm", m))
    stores = [Store(n * m, 32, terms + 1)]
    if spline:
        stores += [Store(KNOTS - 1, 32, true_dual_port=True), Store(KNOTS, 32)]
    if norm and sums == 2:
        stores.append(Store(m, 32))
    # Short arrays are set to 0 by choices, one for every register.
    return Function(
        name, body, stores, [Register(m, 32)] * sums, {READ_REGISTERS: 2 * sums - (sums == 1)}, 1
    )


def float_norm(name: str, n: int, *, affine: bool = True) -> Function:
    """Normalisation and SiLU of n values."""
    ends = chain(ADD.latency, TIMES.latency, TIMES.latency, ADD.latency, SILU)
    body = [
        Loop(n, {SUM: 1}, WAIT, chain(SUM.latency) - 1, loads=1),
        Loop(n, {ADD: 1, TIMES: 1, SUM: 1}, WAIT,
             chain(ADD.latency, TIMES.latency, SUM.latency), loads=1),
        Loop(n, {ADD: 3, TIMES: 2, EXP: 1, OVER: 1, NOT: 1}, 1, ends, loads=3),
    ]  # fmt: skip
    stores = [Store(n, 32, 2)] if affine else []
    between = 3 * OVER.latency + ADD.latency + ROOT.latency
    return Function(name, body, stores, (), {OVER: 3, ROOT: 1, ADD: 1}, between)


def float_convolution(
    name: str, n: int, m: int, windows: int, pixels: int, facts: Facts
) -> Function:
    """A convolution, then the norm and SiLU of every channel."""
    loops, uses, clocks = gram()
    indices = {adder(11): 12, comparison(5): 8, choice(5): 6, adder(16): 3}
    taps = Loop(n, {**uses, **indices, CHOOSE: 6}, None, clocks + 6,
                [*loops, float_edges(n, m, 4, 1)], loads=4)  # fmt: skip
    body = [
        Loop(windows, {adder(9): 8}, None, 1, [Loop(m, depth=1), taps, Loop(m, depth=1)]),
        Loop(m, {adder(11): 4}, None, 2,
             [float_norm(f"{name} norm", windows, affine=False),
              Loop(windows, {adder(12): 3, choice(8): 1})]),
    ]  # fmt: skip
    stores = [Store(n * m, 32, 5), Store(m, 32, 2), Store(m * windows, 32), Store(windows, 32)]
    stores.append(Store(pixels, 32))
    return Function(name, body, stores, [Register(m, 32, *facts.nested)],
                    {READ_REGISTERS: 2}, 1)  # fmt: skip


def float_conv_net(facts: Facts) -> Function:
    """Two convolutions, an average of 49 values, a head."""
    n, m = HEAD
    taps = 49
    pool = Loop(n, {ADD: taps - 1, OVER: 1, adder(11): taps}, 25,
                chain((taps - 1) * ADD.latency, OVER.latency), loads=8)  # fmt: skip
    head = float_dense("head", n, m, facts, spline=False, sums=1, norm=True)
    body: list[Loop | Function] = [
        Loop(784, {adder(11): 5}),
        *(float_convolution(f"conv{k}", *sizes, facts) for k, sizes in enumerate(CONVOLUTIONS)),
        pool,
        head,
    ]
    stores = [Store(n, 32), Store(1568, 32)]
    return Function("top", body, stores, depth=3)


# W4A4 --------------------------------------------------------------------------------------------


# A product by 4 bits that no sum follows is 5 look-up tables in all reports, whatever the other
# operand (12 to 15 bits); the others of a sum are in blocks, with what is added to them.
ALONE = Operator("product alone", 5, bits=19)


def integer_edges(terms: int, spline: bool, *, codebook: bool) -> dict[Operator, int]:
    """A turn of an edge: products of 4-bit weights with table entries, and two sums."""
    value = 12 if spline else 15
    uses = {product(value, 4): terms, ALONE: 1, adder(32): 2, adder(19): terms // 4}
    return uses if codebook else {**uses, shifter(32): 1}


def weights(n: int, m: int, terms: int, *, codebook: bool, shapes: int) -> list[Store]:
    """Memories of the weights: words of 4 bits each, or indices into codebooks."""
    if not codebook:
        return [Store(n * m, 4 * terms), Store(-(-m // 8) * n, 32)]
    index = shapes.bit_length() - 1
    return [Store(n * m, index), Store(n * m, 4), Store(shapes, 4, terms), Store(16, 4)]


def requantized(*, clamped: bool) -> dict[Operator, int]:
    """Two products of a sum and a multiplier, their sum, rounded and shifted."""
    uses = {product(32, 31): 1, product(32, 27): 1, adder(63): 2}
    return {**uses, comparison(16): 2, choice(16): 1} if clamped else uses


def integer_dense(
    name: str, n: int, m: int, *, spline: bool, codebook: bool, last: bool
) -> Function:
    """A dense layer of W4A4."""
    terms = 8 if spline else 4
    # Of the last layer's splines the codes reach four; the tables of the others are 0.
    reached = 4 if spline and last else terms
    loop = {
        **integer_edges(reached, spline, codebook=codebook),
        adder(16): 1, adder(10): 1, choice(10): 3, comparison(8): 1, gate(4): 1,
    }  # fmt: skip
    ends = requantized(clamped=spline and not last)
    value = 12 if spline else 15
    stores = [Store(16, value, reached), Store(16, 13)]
    stores += weights(n, m, terms, codebook=codebook, shapes=32)
    edges = Loop(n * m, loop, 1, 4, reads=dict.fromkeys(stores, 1))
    body: list[Loop | Function] = [Loop(m, depth=1), edges, Loop(m, ends)]
    if not spline:
        body += [integer_norm(f"{name} norm", m), Loop(m, silu(last=last), 1, 6)]
        stores += [Store(257, 14), Store(m, 29), Store(m, 32)]
    registers = [Register(m, 32)] * 2
    return Function(name, body, stores, registers, {READ_REGISTERS: 4}, int(not spline))


def silu(*, last: bool) -> dict[Operator, int]:
    """Lines between 257 entries of a table, and a code of it unless it is the output."""
    uses = {comparison(32): 2, choice(32): 1, choice(16): 1, gate(16): 1, adder(9): 1,
            adder(16): 1, product(15, 9): 1}  # fmt: skip
    return uses if last else {**uses, product(31, 16): 1, adder(46): 1, comparison(8): 2}


def integer_norm(name: str, n: int, *, affine: bool = True) -> Function:
    """Normalisation in integers: a root bit by bit, quotient and remainder of 64 bits."""
    root = Function(
        "root", [Loop(32, {adder(64): 3, comparison(64): 1, choice(64): 2}, None, 1)], depth=0
    )
    over = divider(64)
    body: list[Loop | Function] = [
        Loop(n, {adder(35): 1}),
        Loop(n, {adder(38): 2, adder(64): 1, product(36, 36): 1}, 1, 3),
        root,
        Loop(n, {over: 2, adder(64): 4, choice(64): 1, adder(32): 2, choice(32): 2,
                 product(64, 13): 1, comparison(64): 1, comparison(12): 1, adder(22): 1},
             1, over.latency + 3),
    ]  # fmt: skip
    # What so long a pipeline needs at its end waits in a block RAM.
    stores = [Store(n, 38 if n <= 64 else 41), Store(over.latency + 3, 64)]
    if affine:
        stores += [Store(n, 13), Store(n, 22)]
    extra: dict[Operator, int] = {adder(60): 3, choice(59): 1}
    if n & (n - 1):
        # Divided by a count that is no power of two: a product with its reciprocal, of 5 to 10
        # blocks by what the reciprocal is.
        extra[product(64, 54)] = 1
    return Function(name, body, stores, (), extra, 3)


def integer_convolution(
    name: str, n: int, m: int, windows: int, pixels: int, facts: Facts, *, codebook: bool
) -> Function:
    """A convolution of W4A4, its norm and SiLU."""
    indices = {adder(11): 12, adder(5): 16, comparison(5): 12, choice(15): 8, choice(5): 8,
               product(5, 4): 2, adder(34): 2}  # fmt: skip
    loop = {**integer_edges(4, spline=False, codebook=codebook), **indices}
    read = [Store(16, 15, 4), Store(16, 13), *weights(n, m, 4, codebook=codebook, shapes=64)]
    edges = Loop(n * m, loop, 1, 12, reads=dict.fromkeys(read, 1))
    window = [Loop(m, depth=1), edges, Loop(m, requantized(clamped=False))]
    body = [
        Loop(windows, {adder(9): 6}, None, 1, window),
        Loop(m, {adder(11): 4}, None, 2, [
            integer_norm(f"{name} norm", windows, affine=False),
            Loop(windows, {**silu(last=False), adder(12): 3}, 1, 6),
        ]),
    ]  # fmt: skip
    stores = [
        *read,
        *(Store(257, 14), Store(m * windows, 28), Store(windows, 32)),
        *(Store(m, 22), Store(m, 13), Store(pixels, 4)),
    ]
    return Function(name, body, stores, [Register(m, 32, *facts.nested)] * 2,
                    {READ_REGISTERS: 4}, 1)  # fmt: skip


def integer_conv_net(facts: Facts, *, codebook: bool) -> Function:
    """Two convolutions, an average, a head, of W4A4."""
    n, m = HEAD
    taps = 49
    pool = Loop(n, {adder(6): taps - 1, adder(11): taps, product(31, 10): 1, adder(41): 1,
                    comparison(7): 2, choice(7): 2}, 25, 28)  # fmt: skip
    body: list[Loop | Function] = [
        Loop(784, {adder(11): 5}),
        *(
            integer_convolution(f"conv{k}", *sizes, facts, codebook=codebook)
            for k, sizes in enumerate(CONVOLUTIONS)
        ),
        pool,
        integer_dense("head", n, m, spline=False, codebook=codebook, last=True),
    ]
    return Function("top", body, [Store(n, 4), Store(1568, 4)], depth=3)


def dense_net(facts: Facts, *, spline: bool, floats: bool, codebook: bool = False) -> Function:
    """784-64-10."""
    body = [
        float_dense(f"layer{k}", n, m, facts, spline=spline, norm=not spline)
        if floats
        else integer_dense(
            f"layer{k}", n, m, spline=spline, codebook=codebook, last=k == len(DENSE) - 1
        )
        for k, (n, m) in enumerate(DENSE)
    ]
    return Function("top", body, [Store(64, 32 if floats else 4)], depth=3)


DESIGNS = (
    Published("D1", lambda f: dense_net(f, spline=True, floats=True),
              1_062_457, 15_928, 15_328, 48, 842),
    Published("D2", lambda f: dense_net(f, spline=True, floats=False),
              50_983, 3_374, 5_457, 24, 108),
    Published("D3", lambda f: dense_net(f, spline=True, floats=False, codebook=True),
              50_983, 3_197, 5_523, 23, 32),
    Published("G1", lambda f: dense_net(f, spline=False, floats=True),
              289_938, 17_935, 15_846, 62, 469),
    Published("G2", lambda f: dense_net(f, spline=False, floats=False),
              51_512, 34_571, 42_863, 52, 76),
    Published("G3", lambda f: dense_net(f, spline=False, floats=False, codebook=True),
              51_512, 34_381, 42_893, 51, 43),
    Published("K1", float_conv_net, 1_877_859, 37_810, 28_421, 109, 96),
    Published("K2", lambda f: integer_conv_net(f, codebook=False),
              294_316, 61_532, 71_169, 84, 41),
    Published("K3", lambda f: integer_conv_net(f, codebook=True),
              294_316, 61_008, 70_873, 82, 36),
)  # fmt: skip
"""The nine designs."""
