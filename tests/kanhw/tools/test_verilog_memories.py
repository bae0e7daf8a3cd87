"""Yosys reads the same memories, whether their words are statements or in files."""

import json

import numpy as np
import pytest

from kanhw.tools.verilog_memories import LARGE_MEMORY, copy_for_yosys
from kanhw.tools.yosys import run_script


def rom(words, name="\\words$2 "):
    """A module that reads a memory, written as the gateware's Verilog is."""
    lines = [f"    {name}[{k}] = 12'h{word:03x};\n" for k, word in enumerate(words)]
    block = f"  initial begin\n{''.join(lines)}  end\n"
    return (
        "module rom(input clk, input [10:0] a, output reg [11:0] q);\n"
        f'  (* rom_style = "block" *)\n  reg [11:0] {name}[{len(words) - 1}:0];\n{block}'
        f"  always @(posedge clk) q <= {name}[a];\nendmodule\n"
    )


def words_of(folder):
    """What Yosys takes the memory's words for."""
    script = "read_verilog design.v\nproc\nmemory_collect\nwrite_json out.json\n"
    run_script(script, folder)
    cells = json.loads((folder / "out.json").read_text())["modules"]["rom"]["cells"].values()
    (memory,) = (cell["parameters"] for cell in cells if cell["type"] == "$mem_v2")
    return memory["INIT"], memory["SIZE"], memory["WIDTH"]


def test_what_yosys_reads_is_the_same(tmp_path):
    words = np.random.default_rng(0).integers(0, 1 << 12, 2 * LARGE_MEMORY).tolist()
    (tmp_path / "kan.v").write_text(rom(words))
    copy_for_yosys(tmp_path / "kan.v", tmp_path, "design.v")
    copied = words_of(tmp_path)
    assert (tmp_path / "design.v.0.hex").read_text().split() == [f"{w:03x}" for w in words]
    assert "initial begin" not in (tmp_path / "design.v").read_text()
    (tmp_path / "design.v").write_text(rom(words))
    assert copied == words_of(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        rom(range(LARGE_MEMORY - 1)),  # a small one
        rom(range(2000)).replace("[7] =", "[8] ="),  # a word twice, another missing
        rom(range(2000)).replace("    \\words$2 [9]", "    other[9]"),
        rom(range(2000)).replace("[5] = 12'h005", "[5] = 12'hx05"),
        rom(range(2000)).replace("  end\n", "    if (q) q = 1;\n  end\n"),
        "// Gr\xf6\xdfe\nmodule empty; endmodule\n",
    ],
)
def test_all_else_stays_as_it_is(tmp_path, text):
    (tmp_path / "kan.v").write_bytes(text.encode("latin-1"))
    copy_for_yosys(tmp_path / "kan.v", tmp_path, "design.v")
    assert (tmp_path / "design.v").read_bytes() == text.encode("latin-1")
    assert not list(tmp_path.glob("*.hex"))
