"""The testbench in C++ and its vectors: codes in, codes out, and streams that must end empty."""

from __future__ import annotations

import numpy as np

from kanhw.design.design import Port
from kanhw.formats import IntArray
from kanhw.hls.files.words import Word

__all__ = ["in_port_order", "testbench_source", "vectors_text"]


def in_port_order(codes: IntArray, port: Port) -> IntArray:
    """Codes ``[N, total]`` in the order in which a port passes them; an image pixel by pixel."""
    if port.length is not None or port.beats == 1:
        return codes
    pixels = codes.reshape(len(codes), port.count, port.beats)
    return np.ascontiguousarray(pixels.swapaxes(1, 2)).reshape(len(codes), -1)


def vectors_text(
    codes: IntArray,
    outputs: IntArray,
    ports: tuple[Port, Port],
    heads: IntArray | None = None,
) -> str:
    """A line a vector: its head where there are several, codes in, codes that must come out."""
    rows = [in_port_order(codes, ports[0]), in_port_order(outputs, ports[1])]
    if ports[0].heads > 1:
        own = np.zeros(len(codes), np.int64) if heads is None else heads
        rows = [own[:, None], *rows]
    return "".join(" ".join(map(str, row)) + "\n" for row in np.concatenate(rows, axis=1).tolist())


def testbench_source(name: str, words: tuple[Word, Word], about: str) -> str:
    """The source of the testbench.

    ``PROGRAM [VECTORS [OUTPUTS]]`` runs the vectors, writes what came where a file is named, and
    ends with status 1 if a code differs, one is missing or left over, or there was no vector.
    """
    given, made = words
    head = ""
    if given.port.heads > 1:
        head = "        long long head;\n        if (!(vectors >> head)) break;\n"
    first = "" if head else "        if (!(vectors >> code)) break;\n        bool have = true;\n"
    again = (
        "if (!have) vectors >> code;\n                have = false;"
        if not head
        else ("vectors >> code;")
    )
    marks = "            set_input_head(word, (int)head);\n" if head else ""
    return f"""{about}#include <fstream>
#include <iostream>
#include <sstream>
#include "{name}.h"

// Streams only warn of what is read while they are empty, or left in them: here it is an error.
int main(int argc, char **argv) {{
    std::ifstream vectors(argc > 1 ? argv[1] : "{name}_vectors.txt");
    std::ofstream outputs;
    if (argc > 2) outputs.open(argv[2]);
    long count = 0, wrong = 0, missing = 0, extra = 0, unread = 0;
    std::ostringstream warnings;
    std::streambuf *console = std::cout.rdbuf(warnings.rdbuf());
    hls::stream<{given.name}> in("in");
    hls::stream<{made.name}> out("out");
    while (true) {{
        long long code;
{head}{first}        int input = 0;
        for (int beat = 0; beat < {given.port.beats}; beat++) {{
            {given.name} word = {given.name}();
            for (int lane = 0; lane < {given.port.count} && input < {given.port.total}; lane++) {{
                {again}
                set_input_code(word, lane, ({given.code})code);
                input++;
            }}
{marks}            in.write(word);
        }}
        {name}(in, out);
        count++;
        int output = 0;
        for (int beat = 0; beat < {made.port.beats}; beat++) {{
            if (out.empty()) {{
                missing++;
                for (int lane = 0; lane < {made.port.count}; lane++) {{
                    if (output++ < {made.port.total}) vectors >> code;
                }}
                continue;
            }}
            const {made.name} word = out.read();
            for (int lane = 0; lane < {made.port.count} && output < {made.port.total}; lane++) {{
                vectors >> code;
                if (!vectors) {{
                    std::cerr << "the file of vectors ends in the middle of one" << std::endl;
                    return 1;
                }}
                const long long came = (long long)output_code(word, lane);
                if (came != code) wrong++;
                if (outputs.is_open()) outputs << came << ' ';
                output++;
            }}
        }}
        if (outputs.is_open()) outputs << '\\n';
        while (!in.empty()) {{
            in.read();
            unread++;
        }}
        while (!out.empty()) {{
            out.read();
            extra++;
        }}
    }}
    std::cout.rdbuf(console);
    std::cout << count << " vectors: " << wrong << " codes differ, " << missing
              << " words are missing, " << extra << " words too many, " << unread
              << " words were not read" << std::endl;
    if (!warnings.str().empty()) std::cout << warnings.str();
    const bool passed =
        count > 0 && wrong + missing + extra + unread == 0 && warnings.str().empty();
    std::cout << (passed ? "passed" : "FAILED") << std::endl;
    return passed ? 0 : 1;
}}
"""
