"""Learning rates of a network's parameters."""

from __future__ import annotations

from typing import Any

from torch import nn

from kanhw.quant.training.network import QuantizedNetwork
from kanhw.quant.training.rules.activation_rule import ActivationRule
from kanhw.quant.training.rules.weight_rule import WeightRule

__all__ = ["parameter_groups"]

# What a place in a range counts for at least, as a share of the range.
_SHARE_OF_RANGE = 0.125


def parameter_groups(network: QuantizedNetwork, learning_rate: float) -> list[dict[str, Any]]:
    """Groups for an optimiser of PyTorch: quantizers move relative to their own size.

    Adam moves every number by about the learning rate, but a step of 0.01 and a weight of 1 need
    different ones.

    Parameters
    ----------
    network
        From :func:`kanhw.quant.prepare`.
    learning_rate
        Of the weights.
    """
    sizes: dict[int, float] = {}
    for module in network.modules():
        if isinstance(module, ActivationRule | WeightRule):
            sizes.update(_sizes(module))
    weights = [p for p in network.parameters() if id(p) not in sizes]
    groups: list[dict[str, Any]] = [{"params": weights, "lr": learning_rate}]
    for parameter in network.quantizer_parameters():
        groups.append({"params": [parameter], "lr": learning_rate * sizes[id(parameter)]})
    return groups


def _sizes(rule: nn.Module) -> dict[int, float]:
    """How large each of a rule's parameters is; places (offsets, centres) by the range of codes."""
    sizes = {}
    for name, parameter in rule.named_parameters(recurse=False):
        size = float(parameter.detach().abs().mean())
        if name != "step" and isinstance(rule, ActivationRule):
            # A place near 0 is no smaller a thing than one far away, and one that is far from 0
            # is no larger than the range of the codes.
            step = rule.affine()[0].detach() / rule.broad(rule.unit)
            reach = float(step.mean()) * (rule.format.count - 1)
            size = min(max(size, reach * _SHARE_OF_RANGE), reach)
        sizes[id(parameter)] = size or 1.0
    return sizes
