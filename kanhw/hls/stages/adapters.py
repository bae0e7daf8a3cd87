"""Stages that bring codes into other beats: collect, split and gather; and the serial argmax."""

from __future__ import annotations

from kanhw.hls.costs.operators import choice, comparison, multiplexer_of
from kanhw.hls.cpp.source import loop
from kanhw.hls.stages.chain import StageSite

__all__ = ["collect", "gather", "serial_argmax", "split"]


def collect(site: StageSite) -> None:
    """Beats become larger ones: some parts of a vector or pixel, or whole pixels, together."""
    given, made = site.planned.inputs, site.planned.outputs
    unit = given.collected_unit
    together = -(-made.count // given.count)
    lines = []
    for k in range(len(site.formats)):
        place = f"part * {given.count} + i"
        inside = f"if ({place} < {made.count}) " if made.count % given.count else ""
        lines += [f"{inside}y.s{k}[{place}] = x.s{k}[i];"]
    for form in site.formats:
        site.source.keeps(made.count, form.width)
    full = f"part == {together - 1}" + (f" || beat == {unit - 1}" if unit % together else "")
    body = [
        f"const {site.chain.at.struct} x = in.read();",
        *loop("i", given.count, lines, "UNROLL"),
        *site.chain.passed_head,
        f"if ({full}) {{",
        "    out.write(y);",
        "    part = 0;",
        "} else {",
        "    part++;",
        "}",
    ]
    before = [f"stage{site.number}_t y;", *_cleared(site, made.count), "int part = 0;"]
    variable = "turn"
    if unit % together:
        body.append(f"beat = beat == {unit - 1} ? 0 : beat + 1;")
        before.append("int beat = 0;")
    _process(
        site,
        made.count,
        [*before, *loop(variable, given.beats, body, "PIPELINE II=1")],
        given.beats,
        f"Beats of {given.count} become beats of {made.count}.",
    )


def split(site: StageSite) -> None:
    """A vector or pixel leaves some codes a beat."""
    given, made = site.planned.inputs, site.planned.outputs
    parts = made.beats // given.beats
    site.source.uses(multiplexer_of(parts), made.count * len(site.formats))
    lines = []
    for k in range(len(site.formats)):
        place = f"part * {made.count} + i"
        if given.count % made.count:
            place = f"{place} < {given.count} ? {place} : 0"
        lines.append(f"y.s{k}[i] = x.s{k}[{place}];")
    body = [
        "if (part == 0) x = in.read();",
        f"stage{site.number}_t y;",
        *loop("i", made.count, lines, "UNROLL"),
        *site.chain.passed_head,
        "out.write(y);",
        f"part = part == {parts - 1} ? 0 : part + 1;",
    ]
    before = [f"{site.chain.at.struct} x;", "int part = 0;"]
    _process(
        site,
        made.count,
        [*before, *loop("turn", made.beats, body, "PIPELINE II=1")],
        made.beats,
        f"Beats of {given.count} leave as beats of {made.count}.",
    )


def gather(site: StageSite) -> None:
    """The pixels of an image become a vector in the order channel, row, column."""
    given, made = site.planned.inputs, site.planned.outputs
    for form in site.formats:
        site.source.keeps(made.count, form.width)
    lines = [f"y.s{k}[i * {given.beats} + beat] = x.s{k}[i];" for k in range(len(site.formats))]
    body = [
        f"const {site.chain.at.struct} x = in.read();",
        *loop("i", given.count, lines, "UNROLL"),
        *site.chain.passed_head,
    ]
    whole = [
        f"stage{site.number}_t y;",
        *loop("beat", given.beats, body, "PIPELINE II=1"),
        "out.write(y);",
    ]
    _process(site, made.count, whole, given.beats, "Pixels become a vector, channel by channel.")


def serial_argmax(site: StageSite) -> None:
    """The index of the largest of values that come one a beat, the lowest among equals."""
    chain, types = site.chain, site.source.types
    index, beats = chain.program.output_format, site.planned.inputs.beats
    chain.struct("index_t", {"s0": (types.of(index), 1)})
    value = types.of(site.formats[0])
    bits = site.formats[0].width
    for operator in (comparison(bits), choice(bits), choice(index.width)):
        site.source.uses(operator)
    site.source.keeps(1, bits)
    body = [
        f"const {chain.at.struct} x = in.read();",
        "if (beat == 0 || x.s0[0] > best) {",
        "    best = x.s0[0];",
        "    y.s0[0] = beat;",
        "}",
        *chain.passed_head,
    ]
    lines = [
        "index_t y;", f"{value} best = 0;",
        *loop("beat", beats, body, "PIPELINE II=1"), "out.write(y);",
    ]  # fmt: skip
    chain.process(
        f"stage{site.number}", "index_t", lines, beats, "The index of the largest output."
    )
    chain.moves_on("index_t", (index,))


def _cleared(site: StageSite, count: int) -> list[str]:
    """What fills up a beat is 0, so that simulations are the same everywhere."""
    lines = [f"y.s{k}[i] = 0;" for k in range(len(site.formats))]
    return loop("i", count, lines, "UNROLL")


def _process(site: StageSite, count: int, body: list[str], clocks: int, comment: str) -> None:
    chain, struct, formats = site.chain, f"stage{site.number}_t", site.formats
    chain.struct(struct, chain.codes(count, formats))
    chain.process(f"stage{site.number}", struct, body, clocks, comment)
    chain.moves_on(struct, formats)
