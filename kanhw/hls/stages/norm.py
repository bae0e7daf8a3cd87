"""Layer normalisation in integers, its root bit by bit without a divider."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.hls.costs.operators import adder, comparison, product
from kanhw.hls.costs.work import Loop
from kanhw.hls.cpp.constants import literal
from kanhw.hls.cpp.source import loop
from kanhw.hls.cpp.types import bits_of
from kanhw.hls.kinds.join import Join
from kanhw.hls.kinds.site import address_lines
from kanhw.hls.stages.chain import DEPTH, StageSite
from kanhw.hls.stages.sums import about, streams_behind, sums_members

__all__ = ["layer_norm"]

# Clocks of a bit of the root, as the reports show products of 31 x 32 bits a clock at 6.67 ns.
_OF_BIT = 3


def layer_norm(site: StageSite) -> None:
    """``gamma[i] (n a_i - S) isqrt(2**(2 f) / V)``: two sums, a root, a product for every value.

    ``root`` is the largest integer with ``root**2 V <= 2**(2 f)``, which is the root of the floored
    quotient, since it is an integer.
    """
    chain, source, types = site.chain, site.source, site.source.types
    index = site.planned.layer
    layer: Any = chain.program.layers[index]
    name, count, given = site.name(index), layer.n_in, chain.at.struct
    struct, sums = f"{name}_t", f"{name}_sums_t"
    outputs = streams_behind(layer, site.formats)
    chain.struct(struct, chain.codes(count, outputs))
    # By turns one value a clock, else all at once.
    turns = chain.schedule.folded
    lanes = 1 if turns else count
    source.struct(sums, sums_members(source, layer, layer.accumulator_formats, lanes))
    span = (1 << layer.width) - 1
    f = layer.fraction_bits
    total, squares = types.holding(0, count * span), types.holding(0, count * span * span)
    wide = types.holding(
        -count * count * span * span, count * count * span * span + layer.epsilon, 1
    )
    root = types.holding(0, (2 << f) - 1)
    trial_bits = 2 * f + 3 + layer.variance_bound.bit_length() + 1
    product_type = types.bits(max(trial_bits, 2 * f + 2))
    deviation = types.holding(-count * span, count * span)
    normalised = types.holding(-layer.normalised_bound, layer.normalised_bound)
    gamma = source.table(f"{name.upper()}_GAMMA", layer.gamma)
    pragma = "PIPELINE II=1" if turns else "UNROLL"
    rows = np.arange(count).reshape(count, 1) if turns else np.arange(count).reshape(1, count)
    join = Join(source, name, layer.branches, [layer.requantizers], rows)
    own = layer.width
    source.uses(adder(bits_of(total)), lanes)
    source.uses(product(own, own), lanes)
    source.uses(adder(bits_of(squares)), lanes)
    first = source.used()
    source.uses(product(bits_of(total), bits_of(total)))
    source.uses(product(bits_of(squares), count.bit_length()))
    source.uses(product(f + 1, f + 1))
    source.uses(product(2 * f + 2, bits_of(wide)))
    for bits in (bits_of(wide), bits_of(wide), f + 1):
        source.uses(adder(bits))
    source.uses(comparison(bits_of(product_type)))
    of_root = source.used()
    source.uses(product(own, count.bit_length()), lanes)
    source.uses(adder(bits_of(deviation)), lanes)
    source.uses(product(bits_of(deviation), bits_of(root)), lanes)
    source.uses(product(bits_of(normalised), gamma.bits), lanes)
    a = f"a{layer.stream}[i]"
    accumulate = [
        f"const {deviation} from_mean = {literal(count)} * {a} - total;",
        f"const {normalised} of_unit = from_mean * root;",
    ]
    scale = f"sums.norm[{'0' if turns else 'i'}] = ({gamma.at('i')}) * of_unit;"
    if turns:
        one = f"{name}_value_t"
        source.struct(one, chain.codes(1, outputs[: len(layer.requantizers)]))
        last = loop(
            "i",
            count,
            [
                *accumulate,
                f"{sums} sums;",
                scale,
                "const int row = i;",
                f"{one} y;",
                *join.lines(),
                *(f"all.s{k}[i] = y.s{k}[0];" for k in range(len(layer.requantizers))),
            ],
            pragma,
        )
        written, declared = "all", [f"{struct} all;"]
    else:
        last = [f"{sums} sums;", *loop("i", count, [*accumulate, scale], pragma), *join.lines()]
        written, declared = "y", [f"{struct} y;"]
    passes = [
        f"{written}.s{len(layer.requantizers) + k}[i] = x.s{stream}[i];"
        for k, stream in enumerate(layer.passes)
    ]
    body = [
        f"const {given} x = in.read();",
        *declared,
        *address_lines(source, layer, site.formats, count),
        *source.stored(gamma, () if turns else (1,)),
        f"{total} total = 0;",
        f"{squares} squares = 0;",
        *loop("i", count, [f"total += {a};", f"squares += {a} * {a};"], pragma),
        f"{wide} spread = ({wide})squares * {literal(count)};",
        "spread -= total * total;",
        f"spread += {literal(layer.epsilon)};",
        "if (spread < 1) spread = 1;",
        f"{root} root = 0;",
        f"for (int bit = {f}; bit >= 0; bit--) {{",
        "#pragma HLS PIPELINE",
        f"    const {root} trial = root + ((({root})1) << bit);",
        f"    {product_type} square = trial * trial;",
        "    square = square * spread;",
        f"    if (square <= (({product_type})1) << {2 * f}) root = trial;",
        "}",
        *last,
        *(loop("i", count, passes, "UNROLL") if passes else []),
        *([line.replace("y.", f"{written}.") for line in chain.passed_head]),
        f"out.write({written});",
    ]
    turns_of = count if turns else 1
    loops = [
        Loop(turns_of, first, 1, DEPTH),
        # A bit waits for the one before: a product a clock, the other, and the comparison.
        Loop(f + 1, of_root, _OF_BIT, DEPTH),
        Loop(turns_of, source.used(), 1, DEPTH),
    ]
    chain.process(name, struct, body, loops, about(layer))
    chain.moves_on(struct, outputs)
