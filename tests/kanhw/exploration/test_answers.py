"""Tables, the page and the plots of an exploration, and the command that prints them."""

import csv
import io
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from commands import run, run_json
from explored import POINTS, SPACE, small_data, small_model

import kanhw
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.page.page import write_page
from kanhw.exploration.answers.rated import Setting
from kanhw.exploration.answers.tables import columns_of, csv_text, text_table
from kanhw.exploration.answers.writing import write_answers
from kanhw.exploration.making import differences_from
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.study.objectives import objectives_named
from kanhw.exploration.study.point import Point
from kanhw.exploration.study.study import study_of
from kanhw.model.neutral import save_model

ROWS = [(0.9, 500, "unrolled"), (0.8, 100, "folded"), (0.7, 900, "folded"), (None, None, "lut=1")]


@pytest.fixture
def found(tmp_path):
    points = []
    for place, (accuracy, lut, plan) in enumerate(ROWS):
        bits = {"spline_bits": 3 + place, "base_bits": 3 + place}
        points.append(
            Point(
                name=f"{place}" * 64,
                configuration=Configuration.of(
                    {"plan": plan, "realisation": "basis_table", **bits}
                ),
                stage="",
                figures={} if accuracy is None else {"accuracy": accuracy, "lut": lut},
                error="" if accuracy else "Nothing fits </script><b>&",
            )
        )
    return Exploration(
        folder=tmp_path,
        study=study_of(small_model(), small_data()),
        objectives=objectives_named(["accuracy", "lut"]),
        setting=Setting(),
        points=tuple(Setting().rate_all(points)),
    )


def test_tables(found):
    columns = columns_of(found.points)
    # Fields that differ alike share a column; what never differs has none.
    assert [column.title for column in columns] == ["base_bits = spline_bits", "plan"]
    lines = text_table(found.front, columns, found.objectives).splitlines()
    assert len(lines) == 3 and lines[0].split()[:3] == ["point", "accuracy", "lut"]
    assert lines[1].split() == ["0000000000", "0.9000", "500", "3", "unrolled"]
    rows = list(csv.DictReader(io.StringIO(csv_text(found.points, columns))))
    assert rows[3]["accuracy"] == "" and rows[3]["error"].startswith("Nothing fits")
    assert [row["spline_bits"] for row in rows] == ["3", "4", "5", "6"]
    shown = found.to_json()
    assert [row["point"] for row in shown["front"]] == ["0" * 10, "1" * 10]
    assert shown["failed"] == 1 and shown["points"] == 4


def test_the_page_needs_nothing_and_no_text_ends_its_script(found, tmp_path):
    path = write_page(found, tmp_path / "page.html")
    text = path.read_text()
    assert path.read_bytes() == write_page(found, tmp_path / "again.html").read_bytes()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    page = json.loads(data)
    assert [point["front"] for point in page["points"]] == [True, True, False, False]
    assert page["choices"] == ["base_bits = spline_bits", "plan"]
    assert page["command"].endswith("--write POINT --out design-POINT")
    assert len(text) - len(data) < 60_000
    assert not re.findall(r"(?:src|href)=", text) and text.count("</script>") == 2
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "&lt;/script&gt;&lt;b&gt;&amp;" in text


@pytest.mark.slow  # a browser takes seconds to start
def test_a_browser_draws_it(found, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("there is no chromium: the page was not drawn")
    path = write_page(found, tmp_path / "page.html")
    # Clicks come from a script of the test's own, behind the page's.
    clicks = """<script>
      const fire = (one) => one.dispatchEvent(new Event('click', {bubbles: true}));
      fire(document.querySelector('circle.front'));
      document.getElementById('hide').click();
      document.title = [document.querySelectorAll('#comparison tbody tr').length,
        document.querySelectorAll('circle').length,
        document.querySelectorAll('#front tbody tr').length,
        document.querySelectorAll('path.way').length, wrong].join(' ');
    </script></body>"""
    text = path.read_text().replace("</body>", clicks)
    watch = "<script>let wrong = false; window.onerror = () => { wrong = true; };</script>"
    path.write_text(text.replace("<main>", f"{watch}<main>"))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    # Two figures, two choices and the command; two points of the front.
    assert "<title>5 2 2 2 false</title>" in done.stdout, done.stdout[-500:]


def test_plots(found, tmp_path):
    pytest.importorskip("matplotlib")
    files = {path.name: path.read_bytes() for path in write_answers(found)}
    assert set(files) == {
        *("front.json", "front.csv", "points.csv", "explore.html", "front.svg", "front.png")
    }
    assert files["front.png"].startswith(b"\x89PNG") and b"accuracy" in files["front.svg"]
    assert files == {path.name: path.read_bytes() for path in write_answers(found)}


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_model(small_model(), "model.npz")
    np.savez("train.npz", **small_data())
    lines = []
    for table, own in SPACE.items():
        lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in own.items())]
    (tmp_path / "space.toml").write_text("\n".join(lines))
    arguments = ["explore", "model.npz", "--data", "train.npz", "--out", "out", "--processes", "1"]
    found = run_json(capsys, *arguments, "--space", "space.toml", "--at-least", "accuracy=0.1")
    assert found["points"] == POINTS and found["limits"] == ["accuracy >= 0.1"]
    assert {"out/front.csv", "out/explore.html"} <= set(found["files"])
    assert run(*arguments, "--space", "space.toml") == 0
    shown = capsys.readouterr()
    assert f"of {POINTS} points on the front" in shown.out and "points, " in shown.err
    for words, message in (
        (("explore", "model.npz", "--out", "o"), "--data is missing"),
        ((*arguments, "--at-most", "lut"), "NAME=NUMBER"),
        ((*arguments, "--space", "spaces.toml"), "did you mean 'space.toml'"),
        ((*arguments, "--targets", "classes"), "has no 'classes'"),
        (("explore", "out", "--write", "zz", "--out", "d"), "has no point 'zz'"),
        (("explore", "out", "--write", "", "--out", "d"), "has no point ''"),
        (("explore", "nowhere", "--write", "1", "--out", "d"), "is no exploration"),
    ):
        assert run(*words) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


@pytest.mark.slow
def test_a_point_becomes_a_design(tmp_path):
    from kanhw.exploration.making import make_point

    space = {**SPACE, "hardware": {"plan": "unrolled"}}
    found = kanhw.explore(small_model(), small_data(), tmp_path / "out", space=space)
    made = make_point(tmp_path / "out", found.front[0].point.short, tmp_path / "design")
    assert made.passed and made.verification.accuracy == found.front[0].figures["accuracy"]
    assert {path.name for path in (tmp_path / "design").iterdir()} == {
        *("design", "estimate.json", "point.json", "program.safetensors", "report.html"),
        "simulation.json",
    }
    shown = made.to_json()
    assert shown["modelled"]["lut"] == found.front[0].figures["lut"]
    assert shown["synthesised"]["lut"] == kanhw.estimate(tmp_path / "design/design", "xcup").lut
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("")
    with pytest.raises(kanhw.InputError, match="already holds something else"):
        make_point(tmp_path / "out", found.front[0].point.short, tmp_path / "mine")


@pytest.mark.parametrize(
    ("target", "made", "differ"),
    [
        ("xcup", {"lut": 124}, []),
        ("xcup", {"lut": 125}, ["lut: modelled 100, synthesised 125, -20 %"]),
        ("xcup", {"lut": 81}, []),
        ("xcup", {"lut": 80}, ["lut: modelled 100, synthesised 80, +25 %"]),
        ("ecp5", {"lut": 132}, ["lut: modelled 100, synthesised 132, -24 %"]),
        ("ice40", {"lut": 121}, []),
        ("xcup", {"dsp": 3, "bram": 1}, [
            "bram: modelled 0, synthesised 1, -100 %", "dsp: modelled 2, synthesised 3, -33 %"
        ]),
    ],
)  # fmt: skip
def test_what_synthesis_makes_other_than_modelled_is_said(target, made, differ):
    configuration = Configuration.of({"realisation": "edge_table", "target": target})
    figures = {"lut": 100.0, "bram": 0.0, "dsp": 2.0}
    point = Point(name="0" * 64, configuration=configuration, stage="", figures=figures)
    counts = SimpleNamespace(**{"lut": 100, "bram": 0, "dsp": 2, **made})
    assert list(differences_from(point, counts)) == differ
