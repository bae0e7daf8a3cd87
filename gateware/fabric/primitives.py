"""Cells of UltraScale+: instances in Verilog, the same function as plain logic in Amaranth.

Amaranth's simulator knows no instances, so a component is elaborated in one of two ways: with
:class:`CellPlatform` (:func:`kanhw.gateware.top.verilog.to_verilog` passes it) it instantiates the
cells, otherwise it holds what :data:`CELL_MODELS` says that they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

__all__ = ["CELL_MODELS", "CellPlatform", "carry_chain", "lut6_2", "models_for"]

CARRY_BITS = 8

CELL_MODELS = """\
// What the cells of UltraScale+ do, for simulators; synthesis has its own.
`ifndef SYNTHESIS
`ifndef KANHW_CELLS
`define KANHW_CELLS
module LUT6_2 #(parameter [63:0] INIT = 64'h0) (
    output O6, output O5, input I0, input I1, input I2, input I3, input I4, input I5);
  assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
  assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
endmodule
module CARRY8 #(parameter CARRY_TYPE = "SINGLE_CY8") (
    output [7:0] CO, output [7:0] O, input CI, input CI_TOP, input [7:0] DI, input [7:0] S);
  wire [8:0] carry;
  assign carry[0] = CI;
  genvar k;
  generate
    for (k = 0; k < 8; k = k + 1) begin : place
      assign carry[k + 1] = S[k] ? carry[k] : DI[k];
    end
  endgenerate
  assign CO = carry[8:1];
  assign O = S ^ carry[7:0];
endmodule
`endif
`endif
"""
"""Verilog of the cells that are instantiated, left out where ``SYNTHESIS`` is defined."""


def models_for(verilog: str) -> str:
    """The models that Verilog needs: :data:`CELL_MODELS` if it holds one of the cells, else none.

    Parameters
    ----------
    verilog
        Modules that may hold instances.
    """
    return CELL_MODELS if " LUT6_2 " in verilog or " CARRY8 " in verilog else ""


class CellPlatform:
    """The platform for Verilog in which vendor cells are instances."""


def lut6_2(
    m: Module, platform: object, inputs: Sequence[Value], upper: int, lower: int
) -> tuple[Value, Value]:
    """One LUT6_2 with its sixth input at 1: two functions of the same five inputs.

    Parameters
    ----------
    m
        Where the cell goes.
    platform
        Of the elaboration.
    inputs
        At most five bits.
    upper, lower
        Truth tables of the outputs O6 and O5, bit a for the inputs that spell a.

    Returns
    -------
    O6 and O5.
    """
    used = 1 << len(inputs)
    repeats = sum(1 << (used * k) for k in range(32 // used))
    upper, lower = upper * repeats, lower * repeats
    o6, o5 = Signal(name="o6"), Signal(name="o5")
    if not isinstance(platform, CellPlatform):
        for output, function in ((o6, upper), (o5, lower)):
            m.d.comb += output.eq(Const(function, 32).bit_select(Cat(*inputs), 1))
        return o6, o5
    pins = [*inputs, *[Const(0, 1)] * (5 - len(inputs)), Const(1, 1)]
    m.submodules += Instance(
        "LUT6_2",
        p_INIT=Const(upper << 32 | lower, 64),
        **{f"i_I{k}": pin for k, pin in enumerate(pins)},
        o_O6=o6,
        o_O5=o5,
    )
    return o6, o5


def carry_chain(
    m: Module, platform: object, selects: Sequence[Value], generates: Sequence[Value]
) -> tuple[list[Value], Value]:
    """CARRY8 cells in a row, carry 0 into the first.

    Bit k gives ``selects[k] ^ carry`` and passes its carry on where ``selects[k]`` is set, else
    ``generates[k]``.

    Returns
    -------
    The sums, and the carry out of the last bit.
    """
    sums: list[Value] = []
    carry: Value = Const(0, 1)
    if not isinstance(platform, CellPlatform):
        for select, generate in zip(selects, generates, strict=True):
            total, out = Signal(name="sum"), Signal(name="carry")
            m.d.comb += [total.eq(select ^ carry), out.eq(Mux(select, carry, generate))]
            sums.append(total)
            carry = out
        return sums, carry
    for start in range(0, len(selects), CARRY_BITS):
        here = range(start, min(start + CARRY_BITS, len(selects)))
        total, out = Signal(CARRY_BITS, name="sum"), Signal(CARRY_BITS, name="carry")
        missing = [Const(0, 1)] * (CARRY_BITS - len(here))
        m.submodules += Instance(
            "CARRY8",
            p_CARRY_TYPE="SINGLE_CY8",
            i_CI=carry,
            i_CI_TOP=Const(0, 1),
            i_S=Cat(*(selects[k] for k in here), *missing),
            i_DI=Cat(*(generates[k] for k in here), *missing),
            o_O=total,
            o_CO=out,
        )
        sums += [total[k] for k in range(len(here))]
        carry = out[len(here) - 1]
    return sums, carry
