"""Reading the YAML that PyKAN's ``saveckpt`` writes, Python objects in it as text.

``yaml.dump`` in block style is all that is read: keys at the margin, scalars, lists in lists,
anchors. PyYAML is not used, because its safe loader refuses the files that ``prune_input`` leaves
behind, and its other loaders run what they find.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["PythonObject", "read_yaml"]

_KEY = re.compile(r"(?P<key>[A-Za-z_][\w.]*):(?: (?P<value>.*))?\Z")
_ANCHOR = re.compile(r"&(\w+)(?: |\Z)")
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}


class PythonObject(str):
    """The text of a value that only Python's own loader would understand: its tag, then the rest.

    ``!!python/object:torch.nn.modules.activation.SiLU`` and what the module holds, for example.
    """

    __slots__ = ()


def read_yaml(text: str) -> dict[str, Any]:
    """Read the entries of a mapping: None, bool, int, float, str, lists, :class:`PythonObject`.

    What is beyond this small reader comes as text; whoever needs the value checks it.
    """
    entries: dict[str, Any] = {}
    anchors: dict[str, Any] = {}
    key, inline, block = "", "", [""]
    for line in [*text.splitlines(), "end:"]:
        match = _KEY.match(line)
        if match is None:
            block.append(line)
            continue
        if key:
            entries[key] = _value(inline, block, anchors)
        key, inline, block = match["key"], match["value"] or "", []
    return entries


def _value(inline: str, block: list[str], anchors: dict[str, Any]) -> Any:
    """Read a value from the rest of the line where it starts and the lines below."""
    inline = inline.strip()
    anchor = _ANCHOR.match(inline)
    if anchor is not None:
        value = anchors[anchor[1]] = _value(inline[anchor.end() :], block, anchors)
        return value
    if inline.startswith("*") and inline[1:] in anchors:
        return anchors[inline[1:]]
    # A tuple is written like a list.
    inline = inline.removeprefix("!!python/tuple").lstrip()
    if inline.startswith("!"):
        return PythonObject("\n".join([inline, *block]))
    if not inline and block and block[0].lstrip().startswith("-"):
        return _list(block, anchors)
    return _scalar(" ".join([inline, *(line.strip() for line in block)]).strip())


def _list(block: list[str], anchors: dict[str, Any]) -> Any:
    indent = len(block[0]) - len(block[0].lstrip())
    start = " " * indent + "-"
    items: list[list[str]] = []
    for line in block:
        if line.startswith(start):
            # Without its dash, an item is a block like any other, two columns further in.
            items.append([" " * (indent + 2) + line[indent + 2 :]])
        elif items and line.startswith(" " * (indent + 1)):
            items[-1].append(line)
        else:
            return "\n".join(block)
    return [_item(item, anchors) for item in items]


def _item(lines: list[str], anchors: dict[str, Any]) -> Any:
    first = lines[0].strip()
    nested = first == "-" or first.startswith("- ")
    return _list(lines, anchors) if nested else _value(first, lines[1:], anchors)


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
