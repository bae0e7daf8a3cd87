"""A value some cycles later."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["delayed"]


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` a number of cycles later."""
    for cycle in range(cycles):
        register = Signal(value.shape(), name=f"{name}_delay{cycle}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
