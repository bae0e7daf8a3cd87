"""Verilog of the ECP5 cells that Yosys has no model of.

Each is what the vendor's documentation says of the modes that Yosys maps to (FPGA-TN-02204 and
FPGA-TN-02205), and gives undefined bits in any other, so that a design which uses one is seen to
fail.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ECP5_CELLS"]


def _bus(name: str, width: int) -> str:
    """Ports of single bits, the highest first."""
    return ", ".join(f"{name}{bit}" for bit in reversed(range(width)))


def _mult18x18d() -> str:
    """A product of 18 and 18 bits, each signed or not, nothing registered."""
    return f"""
module MULT18X18D(
    input {_bus("A", 18)}, {_bus("B", 18)}, {_bus("C", 18)},
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output {_bus("P", 36)}
);
    wire [17:0] a = {{{_bus("A", 18)}}}, b = {{{_bus("B", 18)}}};
    wire signed [35:0] product = $signed({{SIGNEDA & A17, a}}) * $signed({{SIGNEDB & B17, b}});
    assign {{{_bus("P", 36)}}} = SOURCEA | SOURCEB ? 36'bx : product;
endmodule
"""


_LATTICE_PORT = """
    wire [13:0] address_{p} = {{{ad}}};
    wire clock_{p} = CLK{P} ^ (CLK{P}MUX == "INV");
    wire selected_{p} = CE{P} && {{CS{P}2, CS{P}1, CS{P}0}} == 0;
    reg [35:0] do_{p} = 0;
    integer k{p};
    wire clear_{p} = RESETMODE == "ASYNC" && RST{P};
    always @(posedge clock_{p} or posedge clear_{p}) begin
        if (RST{P}) do_{p} <= 0;
        else if (selected_{p}) begin
            if (!WE{P} || WRITEMODE_{P} == "READBEFOREWRITE")
                do_{p} <= read(DATA_WIDTH_{P}, address_{p});
            else if (WRITEMODE_{P} == "WRITETHROUGH") do_{p} <= di_{p};
        end
        if (selected_{p} && WE{P} && !RST{P}) begin
            if (DATA_WIDTH_{P} >= 9) begin
                for (k{p} = 0; k{p} < DATA_WIDTH_{P} / 9; k{p} = k{p} + 1)
                    if (DATA_WIDTH_{P} == 9 || address_{p}[k{p}])
                        bytes[(address_{p} >> 3) / (DATA_WIDTH_{P} / 9) * (DATA_WIDTH_{P} / 9)
                            + k{p}] <= di_{p}[9 * k{p} +: 9];
            end else
                for (k{p} = 0; k{p} < DATA_WIDTH_{P}; k{p} = k{p} + 1)
                    bytes[address_{p} >> 3]
                        [address_{p} % 8 / DATA_WIDTH_{P} * DATA_WIDTH_{P} + k{p}] <= di_{p}[k{p}];
        end
    end
"""


def _dp16kd() -> str:
    """A block RAM of 2,048 times 9 bits without output registers.

    Two ports of up to 18 bits, or one that writes (A) and one that reads (B) 36.
    """
    inits = [f"INITVAL_{row:02X}" for row in range(64)]
    newline = "\n    "
    parameters = [f"parameter [319:0] {row} = 0;" for row in inits]
    ports, bodies = [], []
    for port in "AB":
        parameters += [
            f"parameter integer DATA_WIDTH_{port} = 18;",
            f'parameter REGMODE_{port} = "NOREG", WRITEMODE_{port} = "NORMAL";',
            f'parameter CSDECODE_{port} = "0b000", CLK{port}MUX = "CLK{port}";',
        ]
        ports.append(
            f"input {_bus(f'DI{port}', 18)}, {_bus(f'AD{port}', 14)}, {_bus(f'CS{port}', 3)},\n"
            f"    CE{port}, OCE{port}, CLK{port}, WE{port}, RST{port},\n"
            f"    output {_bus(f'DO{port}', 18)}"
        )
        text = _LATTICE_PORT.format(p=port.lower(), P=port, ad=_bus(f"AD{port}", 14))
        bodies.append(text)
    return f"""
module DP16KD(
    {f",{newline}".join(ports)}
);
    {newline.join(parameters)}
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "AUTO";
    localparam [20479:0] CONTENT = {{{", ".join(reversed(inits))}}};
    reg [8:0] bytes [0:2047];
    integer row;
    // A row of 20 bits holds two bytes of 9.
    initial for (row = 0; row < 2048; row = row + 1)
        bytes[row] = CONTENT[row / 2 * 20 + row % 2 * 9 +: 9];
    function [35:0] read(input integer width, input [13:0] address);
        integer k;
        begin
            read = 0;
            if (width < 9)
                for (k = 0; k < width; k = k + 1)
                    read[k] = bytes[address >> 3][address % 8 / width * width + k];
            else
                for (k = 0; k < width / 9; k = k + 1)
                    read[9 * k +: 9] = bytes[(address >> 3) / (width / 9) * (width / 9) + k];
        end
    endfunction
    wire [35:0] di_a = {{{_bus("DIB", 18)}, {_bus("DIA", 18)}}};
    wire [35:0] di_b = {{18'b0, {_bus("DIB", 18)}}};
{"".join(bodies)}
    wire plain = REGMODE_A == "NOREG" && REGMODE_B == "NOREG"
        && CSDECODE_A == "0b000" && CSDECODE_B == "0b000";
    assign {{{_bus("DOA", 18)}}}
        = !plain ? 18'bx : DATA_WIDTH_B == 36 ? do_b[17:0] : do_a[17:0];
    assign {{{_bus("DOB", 18)}}}
        = !plain ? 18'bx : DATA_WIDTH_B == 36 ? do_b[35:18] : do_b[17:0];
endmodule
"""


ECP5_CELLS: Mapping[str, str] = {
    "MULT18X18D": _mult18x18d(),
    "DP16KD": _dp16kd(),
}
"""Models by the name of the cell: the multiplier block and the block RAM."""
