"""The top of a design: words to beats, the functions in order, beats to words."""

from __future__ import annotations

from kanhw.hls.cpp.source import block, loop
from kanhw.hls.files.words import Word
from kanhw.hls.stages.chain import Chain

__all__ = ["port_functions", "top_header", "top_source"]

_INTERFACE = (
    "#pragma HLS INTERFACE axis port=in",
    "#pragma HLS INTERFACE axis port=out",
    "#pragma HLS INTERFACE ap_ctrl_none port=return",
)


def top_header(name: str, words: tuple[Word, Word], about: str) -> str:
    """The header that declares the top."""
    guard = f"{name.upper()}_H"
    return (
        f'{about}#ifndef {guard}\n#define {guard}\n\n#include "{name}_types.h"\n\n'
        f"// An inference: {words[0].port.beats} words come in, {words[1].port.beats} leave.\n"
        f"{_signature(name, words)};\n\n#endif\n"
    )


def port_functions(chain: Chain, words: tuple[Word, Word], last: str) -> None:
    """Write the functions between words and beats."""
    heads = chain.program.heads > 1
    given, made = words
    unpack = loop("i", given.port.count, ["x.s0[i] = input_code(word, i);"], "UNROLL")
    pack = loop("i", made.port.count, ["set_output_code(word, i, y.s0[i]);"], "UNROLL")
    chain.source.function(
        f"unpack(const {given.name} &word, input_t &x)",
        ["#pragma HLS INLINE", *unpack, *(["x.head = input_head(word);"] if heads else [])],
    )
    chain.source.function(
        f"pack(const {last} &y, {made.name} &word)", ["#pragma HLS INLINE", *pack]
    )


def top_source(name: str, chain: Chain, words: tuple[Word, Word], about: str) -> str:
    """The source of the top."""
    if chain.vector_functions is not None:
        parts, body = "", _one_function(chain, words)
    else:
        parts, body = _readers(words, chain.at.struct), _dataflow(chain, words)
    return (
        f'{about}#include "{name}.h"\n#include "{name}_tables.h"\n'
        f'#include "{name}_layers.h"\n\n{parts}{_signature(name, words)} {{\n'
        + block([*_INTERFACE, *body])
        + "}\n"
    )


def _signature(name: str, words: tuple[Word, Word]) -> str:
    return f"void {name}(hls::stream<{words[0].name}> &in, hls::stream<{words[1].name}> &out)"


def _one_function(chain: Chain, words: tuple[Word, Word]) -> list[str]:
    """A vector at every clock: all functions in one pipeline."""
    lines = [
        "#pragma HLS PIPELINE II=1",
        "input_t x;",
        "unpack(in.read(), x);",
    ]
    value = "x"
    for k, (function, struct) in enumerate(chain.vector_functions or ()):
        lines += [f"{struct} y{k};", f"{function}({value}, y{k});"]
        value = f"y{k}"
    return [
        *lines,
        f"{words[1].name} word{'' if words[1].port.head_bits else ' = ' + words[1].name + '()'};",
        f"pack({value}, word);",
        "out.write(word);",
    ]


def _readers(words: tuple[Word, Word], last: str) -> str:
    """The processes at both ports."""
    given, made = words
    read = loop(
        "beat",
        given.port.beats,
        ["input_t x;", "unpack(in.read(), x);", "out.write(x);"],
        "PIPELINE II=1",
    )
    write = loop(
        "beat",
        made.port.beats,
        [f"{made.name} word = {made.name}();", "pack(in.read(), word);", "out.write(word);"],
        "PIPELINE II=1",
    )
    return (
        f"static void read_words(hls::stream<{given.name}> &in, hls::stream<input_t> &out) {{\n"
        f"{block(read)}}}\n\n"
        f"static void write_words(hls::stream<{last}> &in, hls::stream<{made.name}> &out) {{\n"
        f"{block(write)}}}\n\n"
    )


def _dataflow(chain: Chain, words: tuple[Word, Word]) -> list[str]:
    """All functions at the same time, a stream between each and the next."""
    del words
    prefix = chain.source.prefix
    structs = ["input_t", *(process.gives for process in chain.processes)]
    lines = ["#pragma HLS DATAFLOW"]
    for k, struct in enumerate(structs):
        lines += [
            f'hls::stream<{struct}> stream{k}("stream{k}");',
            f"{prefix}_PACKED(stream{k})",
        ]
    lines.append("read_words(in, stream0);")
    lines += [
        f"{process.name}(stream{k}, stream{k + 1});" for k, process in enumerate(chain.processes)
    ]
    return [*lines, f"write_words(stream{len(structs) - 1}, out);"]
