"""The two testbenches as text: with a handshake, and for a bare core."""

from __future__ import annotations

__all__ = ["BARE", "HANDSHAKE"]

_HEAD = """\
// Tests {top} on the words of {input_file}: a line says PASS, or FAIL and the status is not 0.
// In this folder, by Icarus or by Verilator:
//   $ iverilog -g2005 -o {top}_tb {top}.v {top}_tb.v && ./{top}_tb
//   $ verilator --binary --timing -Wno-fatal --top-module {top}_tb {top}.v {top}_tb.v
//   $ obj_dir/V{top}_tb +verilator+quiet
`timescale 1ns / 1ps

module {top}_tb;
"""

HANDSHAKE = (
    _HEAD
    + """\
  localparam VECTORS = {vectors};
  localparam IN_WORDS = {in_words};
  localparam OUT_WORDS = {out_words};
  localparam BEATS = {beats};  // output words of a vector
  localparam PATIENCE = {patience};  // clocks in which nothing moves
  localparam [{out_width}-1:0] LAST = {mask};  // bits of its last word that count

  reg clk = 0, rst = {reset_level};
  always #5 clk = ~clk;

  reg [{in_width}-1:0] given[0:IN_WORDS-1];
  reg [{out_width}-1:0] expected[0:OUT_WORDS-1];
  reg [{in_width}-1:0] i_word = 0;
  reg i_valid = 0, o_ready = 0;
  wire i_ready, o_valid;
  wire [{out_width}-1:0] o_word;
  wire [{out_width}-1:0] differs;

  {top} dut (
{ports}
  );

  integer sent = 0, taken = 0, errors = 0, quiet = 0, clocks = 0;
  reg [15:0] noise = 16'hace1;  // decides when either end pauses
  assign differs = o_word ^ expected[taken];

  initial begin
    $readmemh("{input_file}", given);
    $readmemh("{expected_file}", expected);
  end

  always @(posedge clk) begin
    clocks <= clocks + 1;
    noise <= {{noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]}};
    if (clocks == 4) rst <= {idle_level};
    if (clocks > 8) begin
      quiet <= quiet + 1;
      if (!i_valid || i_ready) begin
        i_valid <= 0;
        if (sent < IN_WORDS && noise[1:0] != 0) begin
          i_valid <= 1;
          i_word <= given[sent];
          sent <= sent + 1;
          quiet <= 0;
        end
      end
      o_ready <= noise[5:4] != 0;
      if (o_valid && o_ready) begin
        quiet <= 0;
        taken <= taken + 1;
        if (taken >= OUT_WORDS) errors <= errors + 1;
        else if (taken % BEATS == BEATS - 1 ? (differs & LAST) !== 0 : differs !== 0)
          errors <= errors + 1;
      end
      if (quiet == PATIENCE) begin
        if (errors == 0 && taken == OUT_WORDS) begin
          $display("PASS: {top}, %0d vectors, %0d words as expected", VECTORS, taken);
          $finish(0);
        end else begin
          $display("FAIL: {top}, %0d of %0d words came, %0d differ", taken, OUT_WORDS, errors);
          $fatal(0);
        end
      end
    end
  end
endmodule
"""
)
"""Either end pauses at random; when nothing has moved for long, all is compared."""

BARE = (
    _HEAD
    + """\
  localparam VECTORS = {vectors};
  localparam LATENCY = {latency};

  reg clk = 0;
  always #5 clk = ~clk;

  reg [{in_width}-1:0] given[0:VECTORS-1];
  reg [{out_width}-1:0] expected[0:VECTORS-1];
  reg [{in_width}-1:0] i_word = 0;
  wire [{out_width}-1:0] o_word;

  {top} dut (
{ports}
  );

  integer clocks = 0, errors = 0;

  initial begin
    $readmemh("{input_file}", given);
    $readmemh("{expected_file}", expected);
  end

  always @(posedge clk) begin
    clocks <= clocks + 1;
    if (clocks < VECTORS) i_word <= given[clocks];
    if (clocks > LATENCY && (o_word ^ expected[clocks-LATENCY-1]) !== 0) errors <= errors + 1;
    if (clocks == VECTORS + LATENCY) begin
      if (errors == 0 && (o_word ^ expected[VECTORS-1]) === 0) begin
        $display("PASS: {top}, %0d vectors, %0d words as expected", VECTORS, VECTORS);
        $finish(0);
      end else begin
        $display("FAIL: {top}, %0d of %0d words differ", errors, VECTORS);
        $fatal(0);
      end
    end
  end
endmodule
"""
)
"""A vector at every clock, and its output so many clocks later."""
