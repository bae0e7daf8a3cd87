"""A folder with files of every kind, and an empty one."""

import json
import os
import shutil
from pathlib import Path

import pytest
from commands import (
    write_data,
    write_kanele,
    write_models,
)

from kanhw import cli


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A folder with good and bad files of every kind; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("shop")
    write_models(folder)
    write_data(folder)
    write_kanele(folder)
    quantize = ["quantize", "model.pt", "--calibration", "train.npz", "--out", "kan.safetensors"]
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert cli.main([*quantize, "--activation-bits", "4"]) == 0
        assert cli.main(["generate", "kanele", "--out", "design"]) == 0
        assert cli.main(["generate", "kan.safetensors", "--out", "real"]) == 0
    finally:
        os.chdir(here)
    shutil.copytree(folder / "design", folder / "changed")
    with (folder / "changed" / "kan.v").open("a") as file:
        file.write("// changed\n")
    (folder / "check.json").write_text(json.dumps({"engine": "cocotb"}))
    (folder / "list.json").write_text("[]")
    (folder / "bad.json").write_text("{")
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
