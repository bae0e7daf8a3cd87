"""The page: one file, no network, nothing that a browser would complain of."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from reported_designs import (
    CHECK,
    basis_table_network,
    design_of,
    edge_table_network,
    integer_network,
)

from kanhw.errors import InputError
from kanhw.program import Labels
from kanhw.reports import (
    network_curves,
    summarise,
    summary_text,
    write_html,
)
from kanhw.reports.text import NOTHING_ESTIMATED, NOTHING_SCORED, NOTHING_VERIFIED

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps what a test asks for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


class TestHtml:
    def page(self, summary, curves, folder):
        path = write_html(summary, curves, folder / "report.html")
        return Page(path.read_text(encoding="utf-8"))

    def test_self_contained(self, network, full_summary, tmp_path):
        path = write_html(full_summary, network_curves(network[1], network[0]), tmp_path / "r.html")
        document = path.read_text(encoding="utf-8")
        page = Page(document)
        assert "http:" not in document and "https:" not in document
        assert "@import" not in document and "url(" not in document
        names = {name for name, _ in page.attributes}
        assert not names & {"src", "href", "srcset", "onclick"}
        assert "script" not in page.tags and "link" not in page.tags
        assert not list(tmp_path.glob(".*partial"))

    def test_text_is_escaped(self, network, full_summary, tmp_path):
        page = self.page(full_summary, [], tmp_path)
        assert "b" not in page.tags[: page.tags.index("h1") + 2]
        assert "A <b>title</b> & [red]more" in page.text

    def test_says_what_was_measured(self, network, full_summary, tmp_path):
        text = self.page(full_summary, network_curves(network[1], network[0]), tmp_path).text
        assert "1,200 input vectors through the cocotb testbench" in text
        assert "in Icarus 11.0, random stalls, seed 7, a reset in mid-stream" in text
        assert "0 mismatches" in text
        assert "Post-synthesis estimate" in text
        assert "1,519" in text and "abc; abc9 gives 1,702 LUT" in text
        assert "agree on all 200 samples" in text
        assert "100.00%" in text  # the labels are the float model's own
        assert "2026-01-02" in text and "torch 2.13.0" in text

    def test_missing_parts_are_said(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path))
        text = self.page(summary, [], tmp_path).text
        for sentence in (NOTHING_VERIFIED, NOTHING_SCORED, NOTHING_ESTIMATED):
            assert sentence in text
            assert sentence in re.sub(r"\s+", " ", summary_text(summary))
        assert "bit for bit" not in text
        assert "Edge functions" not in text

    def test_what_codes_stand_for(self, network, tmp_path):
        program = network[1]
        names = ["<b>heat</b>", "x & y", "\"", "</td>"][: program.n_in]
        labels = Labels(inputs=tuple(names), output_units=("<i>",))
        program = replace(program, labels=labels)
        summary = summarise(design_of(program, tmp_path))
        page = self.page(summary, [], tmp_path)
        assert "Inputs and outputs" in page.text
        assert "i" not in page.tags
        for name in names:
            assert name in page.text
            assert name in summary_text(summary)
        assert summary.inputs[0].formula in page.text
        assert type(summary).from_json(json.loads(json.dumps(summary.to_json()))) == summary

    def test_missing_stages_are_said(self, network, tmp_path):
        data = (np.zeros((5, 4)), np.zeros(5, int))
        summary = summarise(design_of(network[1], tmp_path), data=data)
        text = self.page(summary, [], tmp_path).text
        assert "Not measured: float model, hardware (simulated Verilog)." in text

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"mismatches": 3}, "3 output codes differ from the Program's"),
            ({"vectors": 0}, "nothing was compared"),
            ({"problems": ["payload changed while stalled"]}, "Payload changed while stalled."),
            ({"expected_mismatches": 2, "problems": ["x differ"]}, "2 outputs of the Program"),
        ],
    )
    def test_failed_checks_are_not_passed(self, network, tmp_path, change, words):
        summary = summarise(design_of(network[1], tmp_path), checks=[{**CHECK, **change}])
        text = self.page(summary, [], tmp_path).text
        assert "FAILED" in text and words in text
        assert "bit for bit" not in text
        assert "FAILED" in summary_text(summary)

    def test_disagreeing_hardware_is_said(self, network, tmp_path):
        data = (np.zeros((5, 4)), np.zeros(5, int))
        hardware = np.array(network[1](network[1].input.encode(data[0]))) + 1
        summary = summarise(design_of(network[1], tmp_path), data=data, hardware_outputs=hardware)
        summary = replace(summary, checks=(CHECK,))
        text = self.page(summary, [], tmp_path).text
        assert "disagree on 5 of 5 samples" in text
        assert "bit for bit" not in text
        assert "FAILED" in summary_text(summary)

    def test_matrix_of_a_small_layer(self, network, tmp_path):
        model, program = network
        summary = summarise(design_of(program, tmp_path))
        page = self.page(summary, network_curves(program, model), tmp_path)
        absent = sum(int((~layer.active).sum()) for layer in program.layers)
        assert absent > 0
        assert page.text.count("no edge") == absent
        assert page.tags.count("figure") == program.active_edges

    def test_many_edges(self, tmp_path):
        model, program = edge_table_network((16, 12, 5), density=1.0)
        summary = summarise(design_of(program, tmp_path))
        path = write_html(summary, network_curves(program, model, limit=180), tmp_path / "r.html")
        page = Page(path.read_text(encoding="utf-8"))
        assert "The 24 edges with the widest range, of 192 active edges." in page.text
        assert "The next 156 edges" in page.text
        assert "The 12 edges with the narrowest range are not drawn." in page.text
        assert page.tags.count("figure") == 180 + 60
        assert path.stat().st_size < 1_500_000

    def test_two_branches(self, tmp_path):
        model, program = basis_table_network(shared=False)
        summary = summarise(design_of(program, tmp_path))
        text = self.page(summary, network_curves(program, model), tmp_path).text
        assert "integers, base branch" in text
        assert "spline s6, base s5" in text

    def test_integer_network(self, tmp_path):
        program = integer_network()
        summary = summarise(design_of(program, tmp_path))
        text = self.page(summary, network_curves(program), tmp_path).text
        assert "Values are integers: this network has no real scale." in text
        assert "float function" not in text

    def test_same_bytes_twice(self, network, full_summary, tmp_path):
        curves = network_curves(network[1], network[0])
        first = write_html(full_summary, curves, tmp_path / "a.html").read_bytes()
        assert write_html(full_summary, curves, tmp_path / "b.html").read_bytes() == first

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ("absent/r.html", r"cannot be written: choose a folder that"),
            ("program.safetensors/r.html", r"cannot be written: choose a folder that"),
            ("folder", r"is a folder, not a file: name one to write"),
        ],
    )
    def test_unwritable(self, full_summary, tmp_path, place, message):
        (tmp_path / "folder").mkdir()
        with pytest.raises(InputError, match=message):
            write_html(full_summary, [], tmp_path / place)
        assert not list(Path(tmp_path).glob(".*partial"))
