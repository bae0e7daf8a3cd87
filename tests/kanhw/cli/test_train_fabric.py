"""``kanhw train --fabric-cost``: a folder of points, and what is refused."""

from __future__ import annotations

import json

import float_models
import numpy as np
import pytest
import torch
from commands import run, run_json
from fabric_networks import rings

import kanhw
from kanhw.design.design import load_design
from kanhw.estimation.told import told_luts
from kanhw.layers import KAN

QUICK = ("--epochs", "30", "--starts", "2", "--batch-size", "32", "--learning-rate", "0.05")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fabric")
    x, labels = rings(120)
    np.savez(folder / "rings.npz", x=x, labels=labels)
    torch.manual_seed(0)
    torch.save(KAN([2, 2, 2]).state_dict(), folder / "kan.pt")
    np.savez(folder / "named.npz", x=x, labels=np.where(labels, "in", "out"))
    np.savez(folder / "near.npz", x=(x - [0.2, -7e5]) / [3e-3, 15e4], labels=labels)
    return folder


def train(folder, out, *more, network="2-2-2", data="rings.npz"):
    named = folder / network if network.endswith(".pt") else network
    return ("train", named, "--data", folder / data, "--fabric-cost", "lut", "--out", out, *more)


def test_a_folder_of_points(folder, tmp_path, capsys):
    out = tmp_path / "front"
    data = run_json(capsys, *train(folder, out, *QUICK, "--seeds", "0,3"))
    front = json.loads((out / "front.json").read_text())
    assert front == {name: own for name, own in data.items() if name not in ("best", "program")}
    assert {own["seed"] for own in front["points"]} == {0, 3}
    names = {own["name"] for own in front["points"]}
    assert {path.stem for path in (out / "points").iterdir()} == names
    rows = (out / "front.csv").read_text().splitlines()
    assert rows[0] == "name,seed,cost,validation,edges"
    assert len(rows) == 1 + len(names)
    program = kanhw.load_program(data["program"])
    assert (program.n_in, program.n_out) == (2, 2)
    costs = {own["name"]: own["cost"] for own in front["points"]}
    assert costs[data["best"]] == told_luts(program, "xcup", "portable")
    # It is done, so the same command only says it again; another is refused.
    assert run_json(capsys, *train(folder, out, *QUICK, "--seeds", "0,3")) == data
    status = run(*train(folder, out, *QUICK, "--seeds", "1"))
    assert status == 2
    assert "the state of a training with other data or settings" in capsys.readouterr().err
    assert run(*train(folder, out, *QUICK, "--seeds", "1", "--force")) == 0


def test_folds_and_noise(folder, tmp_path, capsys):
    more = (*QUICK, "--seeds", "0,1,2", "--folds", "3", "--jitter", "0.1")
    data = run_json(capsys, *train(folder, tmp_path / "front", *more))
    assert data["validation_samples"] == 40
    assert (data["settings"]["folds"], data["settings"]["jitter"]) == (3, 0.1)
    assert run(*train(folder, tmp_path / "other", *QUICK, "--folds", "200")) == 2
    assert "120 samples cannot fall into 200 folds" in capsys.readouterr().err
    both = (*QUICK, "--folds", "3", "--validation", "0.3")
    assert run(*train(folder, tmp_path / "other", *both)) == 2
    assert "--validation 0.3 says nothing with --folds 3" in capsys.readouterr().err


def test_images_by_a_shape(folder, tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 1, 5, 5))
    np.savez(folder / "images.npz", x=x, labels=(x[:, 0, 1:4, 1:4].max(axis=(1, 2)) > 1.4) * 1)
    shape = "1x5x5-2@3x3-max3x3-2"
    command = train(folder, tmp_path / "front", *QUICK, network=shape, data="images.npz")
    program = kanhw.load_program(run_json(capsys, *command)["program"])
    assert [layer.kind for layer in program.layers] == ["convolution", "pooling", "edge_table"]
    assert program.layers[0].window.shape == (1, 5, 5)
    assert program.source == f"trained from scratch, {shape}"
    assert run(*train(folder, tmp_path / "other", network="1x5x5-2@6x6-2", data="images.npz")) == 2
    assert "'2@6x6' of the shape '1x5x5-2@6x6-2'" in capsys.readouterr().err
    assert run(*train(folder, tmp_path / "other", network="1x5x5-max2x2-2", data="images.npz")) == 2
    assert "must follow a convolution" in capsys.readouterr().err


def test_weights_of_the_cost_and_address_bits(folder, tmp_path, capsys):
    more = (*QUICK, "--pressure", "1e-5,1e-3", "--most-bits", "3")
    data = run_json(capsys, *train(folder, tmp_path / "front", *more))
    assert data["settings"]["pressure"] == [1e-5, 1e-3]
    assert data["settings"]["most_bits"] == 3
    program = kanhw.load_program(data["program"])
    assert program.input.format.width <= 3
    assert run(*train(folder, tmp_path / "other", "--pressure", "1e-5")) == 2
    assert "takes two numbers with a comma between them" in capsys.readouterr().err


def test_merged_tables_are_told_and_generated(folder, tmp_path, capsys):
    out = tmp_path / "front"
    command = train(folder, out, *QUICK, "--merge-tables", network="2-3-2")
    assert run(*command) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1].split()
    assert line[:2] == ["kanhw", "generate"]
    line[line.index("design")] = tmp_path / "design"
    assert run(*line[1:]) == 0
    assert load_design(tmp_path / "design").schedule.merge_tables == "xcup"
    assert json.loads((out / "front.json").read_text())["settings"]["merge_tables"] is True
    assert run(*train(folder, tmp_path / "other", *QUICK)) == 0
    assert "--merge-tables" not in capsys.readouterr().out.splitlines()[-1]


def test_from_a_float_model_at_a_cost(folder, tmp_path, capsys):
    out = tmp_path / "front"
    command = train(folder, out, *QUICK, network="kan.pt", data="near.npz")
    assert run(*command) == 0
    text = capsys.readouterr().out
    assert "of every seed the best point at most so dear" in text
    assert f"kanhw generate {out / 'points'}" in text
    cheapest = min(own["cost"] for own in json.loads((out / "front.json").read_text())["points"])
    assert run(*command, "--at-most", str(cheapest / 2)) == 2
    assert "No point costs at most" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--fabric", "ultrascale"), "no costs of tables for fabric 'ultrascale' on target 'xcup'"),
        (("--target", "xcupp"), "Unknown target 'xcupp'"),
        (("--validation", "1.5"), "must be above 0 and below 1, not 1.5"),
        (("--activation-bits", "4"), "--activation-bits says nothing where widths are learned"),
        (("--patience", "3"), "--patience says nothing where widths are learned"),
        (("--layer", "layers.0.spline_bits=4"), "--layer says nothing where widths are learned"),
        (("--starts", "0"), "starts must be 1 to 10000, not 0"),
        (("--most-bits", "9"), "most_bits must be 1 to 8, not 9"),
        (("--merge-tables", "--fabric-cost", "bram"), "merge_tables keeps LUTs small, not the"),
        (("--pressure", "1e-3,1e-4"), "pressure must rise from above 0"),
        (("--target", "ice40", "--fabric", "ultrascale+"), "fabric 'ultrascale+' on target"),
    ],
)
def test_refusals(folder, tmp_path, capsys, change, message):
    out = tmp_path / "front"
    assert run(*train(folder, out, *QUICK, *change)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_shapes_and_folders_are_refused(folder, tmp_path, capsys):
    assert run(*train(folder, tmp_path / "front", network="3-2-2")) == 2
    assert "begin with 3 inputs, but the data have 2 features" in capsys.readouterr().err
    assert run(*train(folder, tmp_path / "front", data="named.npz")) == 2
    assert "labels must hold numbers, not <U3: give classes as integers" in capsys.readouterr().err
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("Dear")
    assert run(*train(folder, tmp_path / "taken")) == 2
    assert "holds something else than a training" in capsys.readouterr().err
    command = ("train", folder / "kan.pt", "--data", folder / "near.npz", "--out", tmp_path / "p")
    assert run(*command, "--seeds", "1,2") == 2
    assert "--seeds belongs to learned widths: add --fabric-cost" in capsys.readouterr().err


def test_the_verbs_of_training_learn_widths(folder):
    with np.load(folder / "near.npz") as arrays:
        x, labels = arrays["x"], arrays["labels"]
    torch.manual_seed(0)
    network = kanhw.prepare(KAN([2, 2, 2]), x, widths="learned", target="ice40")
    with pytest.raises(kanhw.InputError, match="Widths are not learned yet"):
        kanhw.convert(network)
    quick = {"epochs": 30, "starts": 1, "batch_size": 32, "learning_rate": 0.05}
    front = kanhw.train(network, x, labels, merge_tables=True, **quick)
    assert (front.settings["target"], front.settings["merge_tables"]) == ("ice40", True)
    program = kanhw.convert(network)
    assert front.best().cost == told_luts(program, "ice40", "portable", merged=True)
    outputs = network(torch.tensor(x)).numpy()
    assert np.array_equal(outputs, program.decode_output(program(program.input.encode(x))))
    with pytest.raises(kanhw.InputError, match="Widths are learned in training only"):
        kanhw.quantize(network.model, x, kanhw.QuantConfig(widths="learned"))


def test_the_verbs_take_images():
    rng = np.random.default_rng(0)
    model = float_models.conv(rng)
    x = rng.uniform(-1, 1, (60, 1, 4, 4))
    labels = model(x).argmax(axis=1)
    network = kanhw.prepare(model, x, widths="learned")
    kanhw.train(network, x, labels, epochs=4, starts=1, batch_size=16)
    program = kanhw.convert(network)
    outputs = network(torch.tensor(x)).numpy()
    codes = program.input.encode(x.reshape(60, 16))
    assert np.array_equal(outputs, program.decode_output(program(codes)))
