"""The files of a design: headers, top, testbench, scripts."""
