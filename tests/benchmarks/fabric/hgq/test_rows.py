"""The comparison with HGQ2: what is told and drawn of both tools."""

from benchmarks.fabric.hgq.rows import Row, plot, show


def row(tool="HGQ2", seed=0, at_most=300.0, test=0.9, portable=200, tuned=None, dataset="digits"):
    return Row(dataset, tool, seed, at_most, 250.0, 0.91, test, portable, tuned, 100, "{}")


def test_means_over_seeds_and_what_a_side_has_not(capsys):
    rows = [row(), row(seed=1, test=0.92, portable=210), row("kanhw", tuned=150)]
    show(rows, 2)
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert [cell.strip() for cell in first.split("|")[1:-1]] == [
        *("HGQ2", "300", "2/2", "250", "91.00 (0.00)", "91.00 (1.41)", "205 (7)", "-", "100")
    ]
    assert "150 (nan)" in second


def test_a_panel_a_dataset_with_both_tools(tmp_path):
    rows = [row(), row(at_most=200.0, portable=150), row("kanhw"), row("kanhw", at_most=100.0)]
    plot([*rows, row(dataset="dry_bean")], tmp_path / "both.svg")
    text = (tmp_path / "both.svg").read_text()
    assert all(f">{word}<" in text for word in ("kanhw", "HGQ2", "digits", "Dry Bean"))
