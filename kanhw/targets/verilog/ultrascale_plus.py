"""Verilog of the UltraScale+ cells that Yosys has no model of.

Each is what the vendor's documentation says of the modes that Yosys maps to (UG573 and UG579),
and gives undefined bits in any other, so that a design which uses one is seen to fail.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ULTRASCALE_PLUS_CELLS"]


def _dsp48e2() -> str:
    """A product of 27 and 18 bits, nothing registered."""
    stages = ("ACASC", "AD", "ALUMODE", "A", "BCASC", "B", "CARRYIN", "CARRYINSEL", "C", "D")
    registers = [f"{stage}REG" for stage in (*stages, "INMODE", "M", "OPMODE", "P")]
    texts = {"AMULTSEL": "A", "A_INPUT": "DIRECT", "BMULTSEL": "B", "B_INPUT": "DIRECT"}
    texts |= {"USE_MULT": "MULTIPLY", "USE_SIMD": "ONE48"}
    lines = [f"parameter integer {name} = 1;" for name in registers]
    lines += [f'parameter {name} = "{text}";' for name, text in texts.items()]
    plain = " && ".join(
        [f"{name} == 0" for name in registers]
        + [f'{name} == "{text}"' for name, text in texts.items()]
    )
    body = "\n    ".join(lines)
    return f"""
module DSP48E2(
    input [29:0] A, ACIN, input [17:0] B, BCIN, input [47:0] C, PCIN, input [26:0] D,
    input [3:0] ALUMODE, input [4:0] INMODE, input [8:0] OPMODE, input [2:0] CARRYINSEL,
    input CARRYIN, output [47:0] P
);
    {body}
    wire signed [47:0] product = $signed(A[26:0]) * $signed(B);
    // X and Y take the partial products, Z and W take 0.
    wire known = ({plain}) && OPMODE == 9'h005 && ALUMODE == 0 && INMODE == 0
        && CARRYINSEL == 0 && CARRYIN == 0;
    assign P = known ? product : 48'bx;
endmodule
"""


_XILINX_PORT = """
    wire [{high}:0] we_{p} = {we};
    wire [71:0] di_{p} = {{{merged}}};
    reg [71:0] do_{p} = 0;
    integer k{p};
    always @(posedge {clock}) if ({enable}) begin
        if (READ_WIDTH_{P} != 0) begin
            if ({reset}) do_{p} <= 72'bx;
            else if (!(|we_{p}) || WRITE_WIDTH_{P} == 0 || WRITE_MODE_{P} == "READ_FIRST")
                do_{p} <= read(READ_WIDTH_{P}, {address});
            else if (WRITE_MODE_{P} == "WRITE_FIRST")
                do_{p} <= READ_WIDTH_{P} == WRITE_WIDTH_{P} ? di_{p} : 72'bx;
        end
        if (WRITE_WIDTH_{P} >= 9) begin
            for (k{p} = 0; k{p} < WRITE_WIDTH_{P} / 9; k{p} = k{p} + 1)
                if (we_{p}[k{p}])
                    bytes[({address} >> 3) / (WRITE_WIDTH_{P} / 9) * (WRITE_WIDTH_{P} / 9) + k{p}]
                        <= di_{p}[9 * k{p} +: 9];
        end else if (WRITE_WIDTH_{P} != 0 && we_{p}[0])
            for (k{p} = 0; k{p} < WRITE_WIDTH_{P}; k{p} = k{p} + 1)
                bytes[{address} >> 3][{address} % 8 / WRITE_WIDTH_{P} * WRITE_WIDTH_{P} + k{p}]
                    <= di_{p}[k{p}];
    end
"""


def _merge(data: str, parity: str, count: int) -> list[str]:
    """Bytes with their parity bit on top, the highest first."""
    return [f"{parity}[{k}], {data}[{8 * k} +: 8]" for k in reversed(range(count))]


def _xilinx_ram(name: str, size: int) -> str:
    """A block RAM of ``size`` times 1,024 bytes with parity, without output registers.

    Two ports of up to 9 ``size`` bits, or one that reads and one that writes twice as many.
    """
    rows, data, bits = 32 * size, 8 * size, 13 if size == 2 else 14
    inits = [f"INIT_{row:02X}" for row in range(rows)]
    parities = [f"INITP_{row:02X}" for row in range(rows // 8)]
    parameters = [f"parameter [255:0] {row} = 0;" for row in (*inits, *parities)]
    for port in "AB":
        parameters += [
            f"parameter integer READ_WIDTH_{port} = 0, WRITE_WIDTH_{port} = 0, DO{port}_REG = 0;",
            f'parameter WRITE_MODE_{port} = "NO_CHANGE";',
            f"parameter [35:0] INIT_{port} = 0, SRVAL_{port} = 0;",
        ]
    wide = 18 * size
    both = [*_merge("DINBDIN", "DINPBDINP", size), *_merge("DINADIN", "DINPADINP", size)]
    port_b = ", ".join(_merge("DINBDIN", "DINPBDINP", size))
    merged_b = f"WRITE_WIDTH_B == {wide} ? {{{', '.join(both)}}} : {{{port_b}}}"
    ports = {
        "A": {
            "high": size - 1,
            "we": "WEA",
            "merged": ", ".join(_merge("DINADIN", "DINPADINP", size)),
            "clock": "CLKARDCLK",
            "enable": "ENARDEN",
            "reset": "RSTRAMARSTRAM",
            "address": "ADDRARDADDR",
        },
        "B": {
            "high": 2 * size - 1,
            "we": "WEBWE",
            "merged": merged_b,
            "clock": "CLKBWRCLK",
            "enable": "ENBWREN",
            "reset": "RSTRAMB",
            "address": "ADDRBWRADDR",
        },
    }
    bodies = "".join(
        _XILINX_PORT.format(p=port.lower(), P=port, **texts) for port, texts in ports.items()
    )
    outs = []
    for port in "AB":
        source = "do_a" if port == "A" else f"(READ_WIDTH_A == {wide} ? do_a >> {9 * size} : do_b)"
        outs.append(f"wire [71:0] out_{port.lower()} = DO{port}_REG != 0 ? 72'bx : {source};")
        for k in range(size):
            letter = port.lower()
            outs.append(f"assign DOUT{port}DOUT[{8 * k} +: 8] = out_{letter}[{9 * k} +: 8];")
            outs.append(f"assign DOUTP{port}DOUTP[{k}] = out_{letter}[{9 * k + 8}];")
    newline = "\n    "
    return f"""
module {name}(
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB, ADDRENA, ADDRENB, SLEEP,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [{bits}:0] ADDRARDADDR, ADDRBWRADDR,
    input [{data - 1}:0] DINADIN, DINBDIN, input [{size - 1}:0] DINPADINP, DINPBDINP,
    input [{size - 1}:0] WEA, input [{2 * size - 1}:0] WEBWE,
    output [{data - 1}:0] DOUTADOUT, DOUTBDOUT, output [{size - 1}:0] DOUTPADOUTP, DOUTPBDOUTP
);
    {newline.join(parameters)}
    localparam [{256 * rows - 1}:0] CONTENT = {{{", ".join(reversed(inits))}}};
    localparam [{32 * rows - 1}:0] PARITY = {{{", ".join(reversed(parities))}}};
    reg [8:0] bytes [0:{1024 * size - 1}];
    integer row;
    initial for (row = 0; row < {1024 * size}; row = row + 1)
        bytes[row] = {{PARITY[row], CONTENT[8 * row +: 8]}};
    function [71:0] read(input integer width, input [{bits}:0] address);
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
{bodies}
    {newline.join(outs)}
endmodule
"""


ULTRASCALE_PLUS_CELLS: Mapping[str, str] = {
    "DSP48E2": _dsp48e2(),
    "RAMB18E2": _xilinx_ram("RAMB18E2", 2),
    "RAMB36E2": _xilinx_ram("RAMB36E2", 4),
}
"""Models by the name of the cell: the multiplier block and the block RAMs."""
