"""Verilog of cells that Yosys has no model of: multiplier blocks and block RAMs.

Each is what the vendor's documentation says of the modes that Yosys maps to (UltraScale+: UG573 and
UG579; ECP5: FPGA-TN-02204 and FPGA-TN-02205), and gives undefined bits in any other, so that a
design which uses one is seen to fail.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CELL_MODELS"]


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


CELL_MODELS: Mapping[str, str] = {
    "DSP48E2": _dsp48e2(),
    "RAMB18E2": _xilinx_ram("RAMB18E2", 2),
    "RAMB36E2": _xilinx_ram("RAMB36E2", 4),
    "MULT18X18D": _mult18x18d(),
    "DP16KD": _dp16kd(),
}
"""Models by the name of the cell."""
