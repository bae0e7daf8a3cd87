"""The sums of a layer: their struct, and the function that makes them of the codes of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.hls.cpp.source import Source, loop
from kanhw.hls.kinds.join import Join
from kanhw.hls.kinds.site import EdgeSite, address_lines
from kanhw.hls.kinds.table import sums_writer
from kanhw.hls.stages.chain import Chain
from kanhw.program import ProgramLayer
from kanhw.program.widths import output_formats

__all__ = ["about", "clear_sums", "join_of", "streams_behind", "sums_function", "sums_members"]


def about(layer: ProgramLayer) -> str:
    """A line on a layer, for a comment."""
    return f"Layer {layer.name!r}: {layer.kind}, {layer.n_in} to {layer.n_out}."


def streams_behind(layer: ProgramLayer, formats: tuple[CodeFormat, ...]) -> tuple[CodeFormat, ...]:
    """Formats of the codes that a layer gives and passes."""
    return output_formats(layer, formats)


def sums_members(
    source: Source, layer: ProgramLayer, formats: Sequence[CodeFormat], lanes: int
) -> dict[str, tuple[str, int]]:
    """Members of a struct with the sums of so many outputs."""
    return {
        branch: (source.types.of(form), lanes)
        for branch, form in zip(layer.branches, formats, strict=True)
    }


def clear_sums(layer: ProgramLayer, lanes: int) -> list[str]:
    """Statements that set all sums to 0."""
    return loop("j", lanes, [f"sums.{branch}[j] = 0;" for branch in layer.branches], "UNROLL")


def sums_function(chain: Chain, site: EdgeSite, kind: str, x: str, sums: str) -> str:
    """Write the function that makes the sums of a step's codes, and give its name."""
    source, name = chain.source, f"{site.name}_sums"
    indices = [f"int {index}" for index in (site.row, site.beat, site.head) if index]
    head = f"{name}({', '.join([f'const {x} &x', *indices, f'{sums} &sums'])})"
    body = [
        "#pragma HLS INLINE",
        *address_lines(source, site.layer, site.formats, site.ins, padded=site.fold.padded),
        *clear_sums(site.layer, site.outs),
        *sums_writer(kind)(site),
    ]
    source.function(
        head, body, f"What the inputs of a step add to the sums of {site.outs} outputs."
    )
    return name


def join_of(site: EdgeSite, layer: ProgramLayer, outputs: Sequence[Sequence[int]]) -> Join:
    """What makes codes of a layer's sums, in rows of these outputs."""
    return Join(
        site.source,
        site.name,
        layer.branches,
        [own.requantizers for own in site.layers],
        np.asarray(outputs, np.int64),
    )
