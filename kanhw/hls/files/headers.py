"""The header of types: macros of pragmas, exact or native integers, structs of beats, words."""

from __future__ import annotations

from kanhw.hls.cpp.source import Source
from kanhw.hls.files.words import Word

__all__ = ["tables_header", "types_header"]

# Spelled by Vitis HLS, and by Vivado HLS.
_PRAGMAS = {
    "PARTITION(array, d)": (
        "array_partition variable=array type=complete dim=d",
        "ARRAY_PARTITION variable=array complete dim=d",
    ),
    "ROM_BRAM(array)": (
        "bind_storage variable=array type=rom_1p impl=bram",
        "RESOURCE variable=array core=ROM_1P_BRAM",
    ),
    "ROM_LUT(array)": (
        "bind_storage variable=array type=rom_1p impl=lutram",
        "RESOURCE variable=array core=ROM_1P_LUTRAM",
    ),
    "SHARED_ROM_BRAM(array)": (
        "bind_storage variable=array type=rom_np impl=bram",
        "RESOURCE variable=array core=ROM_nP_BRAM",
    ),
    "SHARED_ROM_LUT(array)": (
        "bind_storage variable=array type=rom_np impl=lutram",
        "RESOURCE variable=array core=ROM_nP_LUTRAM",
    ),
    "INDEPENDENT(array)": (
        "dependence variable=array type=inter dependent=false",
        "DEPENDENCE variable=array inter false",
    ),
    "PACKED(stream)": ("aggregate variable=stream", "DATA_PACK variable=stream"),
    # A pipelined loop goes on into the next call.
    "PIPELINE_REWIND": ("pipeline II=1 rewind style=flp", "PIPELINE II=1 rewind"),
}


def types_header(source: Source, words: tuple[Word, Word], about: str) -> str:
    """The text of the header of types.

    Parameters
    ----------
    source
        After all functions were written, so that every type is known.
    words
        Of the input and the output.
    about
        A comment for its head.
    """
    prefix = source.prefix
    guard = f"{prefix}_TYPES_H"
    vitis = "".join(_macro(prefix, name, own[0]) for name, own in _PRAGMAS.items())
    vivado = "".join(_macro(prefix, name, own[1]) for name, own in _PRAGMAS.items())
    exact = "".join(word.text(native=False) for word in words)
    native = "".join(word.text(native=True) for word in words)
    return (
        f"{about}#ifndef {guard}\n#define {guard}\n\n"
        "#include <stdint.h>\n#include <hls_stream.h>\n"
        f"#ifndef {prefix}_NATIVE\n#include <ap_int.h>\n#endif\n\n"
        "// Pragmas that Vitis HLS and Vivado HLS spell differently.\n"
        f"#define {prefix}_TEXT(x) _Pragma(#x)\n"
        f"#define {prefix}_PRAGMA(x) {prefix}_TEXT(HLS x)\n"
        f"#ifdef __VITIS_HLS__\n{vitis}#else\n{vivado}#endif\n\n"
        "// Integers of exactly the declared widths. With -D"
        f"{prefix}_NATIVE those of the compiler, which\n"
        "// simulate faster: no value leaves its declared width, so results are the same.\n"
        f"#ifdef {prefix}_NATIVE\n{source.types.typedefs(native=True)}\n#else\n"
        f"{source.types.typedefs(native=False)}\n#endif\n\n"
        "template <class T> inline T clamped(T value, T lo, T hi) {\n"
        "    if (value < lo) return lo;\n    if (value > hi) return hi;\n    return value;\n}\n\n"
        "// What passes between functions, in a beat.\n" + "\n".join(source.structs) + "\n"
        "// Words of the ports: codes in lanes of whole bytes.\n"
        f"#ifdef {prefix}_NATIVE\n{native}#else\n{exact}#endif\n\n#endif\n"
    )


def tables_header(source: Source, about: str) -> str:
    """The text of the header of tables."""
    guard = f"{source.prefix}_TABLES_H"
    tables = "\n".join(source.tables)
    return f"{about}#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n{tables}\n#endif\n"


def _macro(prefix: str, name: str, text: str) -> str:
    return f"#define {prefix}_{name} {prefix}_PRAGMA({text})\n"
