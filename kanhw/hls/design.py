"""The names of an HLS design: of the back end, and which C++ may be called by."""

from __future__ import annotations

import re

from kanhw.errors import InputError

__all__ = ["HLS", "checked_cpp_name"]

HLS = "hls"
"""The name of the back end."""

# Words of C++11 that Verilog has not, and names that the files use themselves.
_TAKEN = frozenset(
    {
        "alignas",
        "alignof",
        "and_eq",
        "asm",
        "auto",
        "bitand",
        "bitor",
        "bool",
        "catch",
        "char",
        "char16_t",
        "char32_t",
        "clamped",
        "compl",
        "const_cast",
        "constexpr",
        "decltype",
        "delete",
        "double",
        "dynamic_cast",
        "explicit",
        "export",
        "false",
        "float",
        "friend",
        "goto",
        "hls",
        "index_t",
        "inline",
        "input_code",
        "input_conversion",
        "input_head",
        "input_ranges",
        "input_t",
        "input_word",
        "int",
        "largest",
        "long",
        "main",
        "mutable",
        "namespace",
        "new",
        "noexcept",
        "not_eq",
        "nullptr",
        "operator",
        "or_eq",
        "output_code",
        "output_word",
        "pack",
        "private",
        "public",
        "read_words",
        "register",
        "reinterpret_cast",
        "set_input_code",
        "set_input_head",
        "set_output_code",
        "short",
        "sizeof",
        "static_assert",
        "static_cast",
        "std",
        "switch",
        "template",
        "thread_local",
        "throw",
        "true",
        "try",
        "typeid",
        "typename",
        "unpack",
        "unsigned",
        "void",
        "volatile",
        "wchar_t",
        "write_words",
        "xor_eq",
    }
)


def checked_cpp_name(name: str) -> str:
    """A plain identifier that C++ and a design's own files leave free.

    Raises
    ------
    InputError
        If it is taken.
    """
    if name in _TAKEN or re.fullmatch(r"(layer|stage|stream)\d+.*|[su]\d+_t", name):
        raise InputError(
            f"The name of a design cannot be {name!r}, which C++ has taken: add a word"
        )
    return name
