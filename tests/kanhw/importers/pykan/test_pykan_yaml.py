"""The reader of saveckpt's YAML, against what PyYAML wrote."""

import pytest

from kanhw.importers.pykan.config_yaml import PythonObject, read_yaml


def test_scalars():
    text = "a: 1\nb: -2.5\nc: true\nd: null\ne: sin\nf: '0'\ng: 'it''s'\nh: \"\\u00e9\"\ni: []\n"
    assert read_yaml(text) == {
        "a": 1, "b": -2.5, "c": True, "d": None, "e": "sin", "f": "0", "g": "it's", "h": "é",
        "i": [],
    }  # fmt: skip


def test_text_over_several_lines():
    assert read_yaml("path: 'a long\n  path'\nnext: 1\n") == {"path": "a long path", "next": 1}


def test_lists():
    text = "a:\n- []\n- - 2\n  - 3\n- 1/x\nb:\n- - - 1\n  - '*x'\n"
    assert read_yaml(text) == {"a": [[], [2, 3], "1/x"], "b": [[[1], "*x"]]}


def test_anchors():
    text = "a:\n- &id001\n  - 2\n  - 3\n- *id001\nb: *id001\nc: &id002 4\nd: *id002\n"
    assert read_yaml(text) == {"a": [[2, 3], [2, 3]], "b": [2, 3], "c": 4, "d": 4}


def test_python_objects_are_text():
    text = (
        "base: !!python/object:torch.nn.modules.activation.SiLU\n"
        "  _buffers: {}\n"
        "  hooks: !!python/object/apply:collections.OrderedDict\n"
        "  - []\n"
        "grid:\n"
        "- 3\n"
        "- !!python/object/apply:numpy._core.multiarray.scalar\n"
        "  - &id001 !!python/object/apply:numpy.dtype\n"
        "    args:\n"
        "    - i8\n"
        "  - !!binary |\n"
        "    BQAAAAAAAAA=\n"
        "width: !!python/tuple\n"
        "- 3\n"
        "- 1\n"
    )
    values = read_yaml(text)
    assert isinstance(values["base"], PythonObject)
    assert values["base"].splitlines()[0].endswith(".SiLU")
    assert values["grid"][0] == 3
    assert isinstance(values["grid"][1], PythonObject)
    assert values["width"] == [3, 1]


@pytest.mark.parametrize("text", ["", "- 1\n", "\n\n", "a:\n  b: 1\n", "a:\n- 1\nx\n", 'a: "b\n'])
def test_what_it_does_not_know_is_no_error(text):
    read_yaml(text)
