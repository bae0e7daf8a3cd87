"""What bit allocation chose, and what it costs and loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kanhw.program import Program
from kanhw.program.costs import NetworkCosts
from kanhw.quant.allocation.budget import BitBudget
from kanhw.quant.config import QuantConfig
from kanhw.quant.lowering import lower
from kanhw.quant.record.model import QuantModel

__all__ = ["Allocation"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Allocation:
    """What :func:`kanhw.quant.allocate` chose.

    Parameters
    ----------
    config
        With the bits and the realisation of every layer in ``layers``: give it to
        :func:`kanhw.quant.quantize_model`, or to training.
    quantized
        The network, quantized so.
    costs
        What it costs.
    budget
        What was allowed.
    origin
        Where it comes from: ``sensitivity`` or ``hessian`` (the criterion of its integer program),
        with ``, refined`` where single steps improved on that, or ``uniform, N bits``.
    predicted_loss
        What the additive model expected; None where the solution is not one of its own.
    verified_loss
        What was measured on the held-out data.
    uniform_loss, uniform_bits
        Those of the best uniform network within the budget; None where none fits.
    """

    config: QuantConfig
    quantized: QuantModel
    costs: NetworkCosts
    budget: BitBudget
    origin: str
    predicted_loss: float | None
    verified_loss: float
    uniform_loss: float | None
    uniform_bits: int | None

    @property
    def program(self) -> Program:
        """The network's integers."""
        return lower(self.quantized)

    def table(self) -> list[dict[str, Any]]:
        """Bits and realisation of every layer, as plain values."""
        names = ("realisation", "base_bits", "spline_bits", "basis_bits", "table_bits")
        rows = []
        for name in self.config.layers:
            own = self.config.for_layer(name)
            row = {"layer": name, **{field: getattr(own, field) for field in names}}
            row["activation_bits"] = own.activation_bits
            if own.realisation == "edge_table":
                row["basis_bits"] = None
            elif own.realisation == "basis_table":
                row["table_bits"] = None
            if "realisation" not in self.config.layers[name]:  # pooling has codes only
                row |= dict.fromkeys(names)
            rows.append(row)
        return rows

    def markdown(self) -> str:
        """The table, and what it costs and loses, as text."""
        rows = self.table()
        head = list(rows[0]) if rows else ["layer"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for row in rows:
            cells = ("" if value is None else str(value) for value in row.values())
            lines.append("| " + " | ".join(cells) + " |")
        uniform = "no uniform network fits"
        if self.uniform_loss is not None:
            uniform = f"uniform {self.uniform_bits} bits: {self.uniform_loss:.3e}"
        cost = self.budget.cost(self.costs)
        return "\n".join(
            [
                *lines,
                "",
                f"{cost:.6g} of {self.budget}; loss {self.verified_loss:.3e} ({self.origin}); "
                + uniform,
            ]
        )

    def __str__(self) -> str:
        return self.markdown()
