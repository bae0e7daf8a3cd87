"""Widths as whole numbers, and edges that hand out a constant folded into biases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanhw.quant.fabric.learned.network import EvaluatedLayer, Networks
from kanhw.quant.fabric.learned.structure import HIDDEN_REACH
from kanhw.quant.fabric.learned.tables import round_half_up

__all__ = ["Frozen", "freeze"]

# Of an edge that is gone: so coarse that no sum is finer because of it.
_COARSEST = -2.0


@dataclass(frozen=True, eq=False)
class Frozen:
    """Networks whose widths are whole.

    Parameters
    ----------
    rows
        ``[S, size]``: the same networks; widths are whole, code bits are no more than somebody
        reads, and an edge that adds a constant to every sum is gone: its bits and coefficients are
        0. A constant that padding takes away now and then stays.
    learned
        ``[S, size]``: 1 for what is trained on, 0 for widths and for edges that are gone.
    """

    rows: Tensor
    learned: Tensor


def freeze(networks: Networks, rows: Tensor) -> Frozen:
    """Make widths whole, and take away what adds nothing but a constant.

    Every network computes the same sums as before, up to the rounding of output biases.
    """
    with torch.no_grad():
        parts = [_frozen(networks, own) for own in networks.groups(rows)]
    return Frozen(*(torch.cat([getattr(p, n) for p in parts]) for n in ("rows", "learned")))


def _frozen(networks: Networks, rows: Tensor) -> Frozen:
    layers = networks.evaluate(rows)
    biases, there = _fold_constants(networks, layers)
    bits = [
        round_half_up(layer.address_bits) * own for layer, own in zip(layers, there, strict=True)
    ]
    code_bits = _drop_unread(layers, bits, there)
    return _written(networks, rows, bits, there, biases, code_bits)


def _fold_constants(
    networks: Networks, layers: list[EvaluatedLayer]
) -> tuple[list[Tensor], list[Tensor]]:
    """Biases with all constants, and ``[S, n_out, n_in]`` which edges add anything else."""
    biases: list[Tensor] = []
    there: list[Tensor] = []
    # [S, channels]: which never change, and the entry that their inputs read.
    constant, address = _constant_inputs(networks, layers[0])
    for layer in layers:
        tables, reading = layer.tables, layer.structure.reading
        constant, address = (reading.by_input(own)[:, None] for own in (constant, address))
        entry = address.unsqueeze(-1).expand(-1, tables.shape[1], -1, 1)
        added = torch.where(constant, tables.gather(-1, entry)[..., 0], tables[..., 0])
        fixed = (tables.amax(-1) == tables.amin(-1)) | constant
        # What padding takes away of some sums is no part of the bias of all.
        fixed &= (added == 0) | ~torch.tensor(reading.padded)
        there.append(~fixed)
        biases.append(layer.bias() + (added * fixed).sum(-1))
        constant = fixed.all(-1)
        share = (biases[-1] + HIDDEN_REACH) / (2 * HIDDEN_REACH)
        address = _entry(share, tables.shape[-1])
    return biases, there


def _constant_inputs(networks: Networks, layer: EvaluatedLayer) -> tuple[Tensor, Tensor]:
    """Which of the network's inputs never vary, and the entry of the tables that each reads."""
    low, high = layer.parameters.low, layer.parameters.high
    if low is None or high is None:
        raise TypeError("The first layer has no ranges")
    constant = torch.tensor(networks.layout.structure.constant).expand(low.shape)
    # Ranges are told in units of those of the start, whose middle is 1/2.
    return constant, _entry((0.5 - low) / (high - low), layer.tables.shape[-1])


def _entry(share: Tensor, count: int) -> Tensor:
    return torch.floor(share * count).clamp(0, count - 1).long()


def _drop_unread(
    layers: list[EvaluatedLayer], bits: list[Tensor], there: list[Tensor]
) -> list[Tensor]:
    """``[S, n_out]`` code bits that somebody reads, of every layer but the last.

    Edges into sums that nobody reads are gone. The average of codes depends on all of their bits.
    """
    read: list[Tensor] = []
    for index in reversed(range(1, len(bits))):
        needed = layers[index].structure.reading.by_channel(bits[index].amax(1))
        codes = needed
        before, pool = layers[index - 1].parameters.code_bits, layers[index - 1].structure.pool
        if before is not None and pool is not None and pool.rounds:
            codes = torch.where(needed > 0, round_half_up(before), 0.0)
        read.insert(0, codes)
        there[index - 1] = there[index - 1] & (needed > 0).unsqueeze(-1)
        bits[index - 1] = bits[index - 1] * there[index - 1]
    return read


def _written(
    networks: Networks,
    rows: Tensor,
    bits: list[Tensor],
    there_by_layer: list[Tensor],
    biases: list[Tensor],
    code_bits: list[Tensor],
) -> Frozen:
    layout = networks.layout
    old = layout.layers(rows)
    new_parts, learned_parts = [], []
    for own in layout.parameters:
        given, there = old[own.layer], there_by_layer[own.layer].to(rows)
        learned = torch.ones(len(rows), *own.shape)
        if own.is_width:
            learned = learned * 0
        if own.name == "coefficients":
            learned = there.unsqueeze(-1).expand(-1, *own.shape)
            value = given.coefficients * learned
        elif own.name == "bias":
            value = biases[own.layer]
        elif own.name == "address_bits":
            value = bits[own.layer]
        elif own.name == "fraction_bits":
            whole = round_half_up(given.fraction_bits)
            value = torch.where(there > 0, whole, torch.full_like(whole, _COARSEST))
        elif own.name == "code_bits":
            value = code_bits[own.layer].clamp(min=1)
        else:
            value = getattr(given, own.name)
        new_parts.append(value.reshape(len(rows), -1))
        learned_parts.append(learned.reshape(len(rows), -1))
    return Frozen(torch.cat(new_parts, dim=1), torch.cat(learned_parts, dim=1).to(rows))
