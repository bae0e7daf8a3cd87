"""What a terminal shows, the README's picture, and numbers as text."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from reported_designs import CHECK, design_of

from kanhw.errors import InputError
from kanhw.reports import (
    network_curves,
    readme_picture,
    summarise,
    summary_table,
    summary_text,
)
from kanhw.reports.text import real, schedule_text
from kanhw.schedule.schedule import Schedule


class TestTerminal:
    def test_text(self, full_summary):
        text = summary_text(full_summary)
        assert max(map(len, text.splitlines())) <= 100
        assert "4 → 3 → 3" in text
        assert "latency 9 cycles, 1 inference per clock" in text
        assert "xcup: 1,519 LUT, 1,832 FF" in text and "post-synthesis" in text
        assert "\x1b" not in text

    def test_table(self, full_summary):
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as captured:
            console.print(summary_table(full_summary))
        assert "A <b>title</b> & [red]more" in captured.get()
        assert "1,200 input vectors" in captured.get()


class TestPicture:
    def test_shows_measured_figures(self, network, full_summary):
        picture = readme_picture(full_summary, network_curves(network[1], network[0]))
        root = ET.fromstring(picture)
        assert root.attrib["viewBox"] == "0 0 1000 330"
        text = " ".join(
            "".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")
        )
        assert "1,519" in text and "latency 9 cycles" in text and "100.00%" in text
        assert "1,200 vectors" in text
        assert "bit for bit" in text
        assert "href" not in picture and "url(" not in picture

    def test_makes_nothing_up(self, network, tmp_path):
        summary = summarise(design_of(network[1], tmp_path))
        picture = readme_picture(summary, network_curves(network[1], network[0]))
        assert "bit for bit" not in picture and "LUT" not in picture
        assert (
            "not measured" in picture and "not verified" in picture and "not estimated" in picture
        )

    def test_failed_check(self, network, tmp_path):
        check = {**CHECK, "mismatches": 1}
        summary = summarise(design_of(network[1], tmp_path), checks=[check])
        picture = readme_picture(summary, network_curves(network[1], network[0]))
        assert "FAILED" in picture and "bit for bit" not in picture

    def test_without_float_curves(self, network, full_summary):
        with pytest.raises(InputError, match=r"^The picture needs an edge with a float curve"):
            readme_picture(full_summary, network_curves(network[1]))


def test_heavy_packages_wait():
    code = "import sys, kanhw.reports; print({'torch', 'rich', 'jinja2'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.00582, "0.00582"),
        (-1.9375, "−1.94"),
        (1234.5, "1234"),
        (1.234e-5, "1.2e−5"),
        (9e-4, "9e−4"),
        (123456.0, "1.2e5"),
        (999.99, "1000"),
    ],
)
def test_numbers(value, text):
    assert real(value) == text


def test_places_of_registers_and_merged_tables_are_said(full_summary):
    schedule = Schedule(table_registers={"layers.0": False}, merge_tables="xcup")
    words = schedule_text(replace(full_summary, schedule=schedule))
    assert "table outputs registered but for layers.0, merged for xcup" in words
    plain = schedule_text(replace(full_summary, schedule=Schedule(table_registers=False)))
    assert "table outputs not registered, valid/ready" in plain
