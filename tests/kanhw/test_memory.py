"""Sizes that are looked at before memory is taken."""

import zipfile

import numpy as np
import pytest

from kanhw import memory
from kanhw.errors import InputError
from kanhw.files import read_arrays
from kanhw.importers.load import load_model
from kanhw.memory import check_archive, check_size, most_bytes


def test_half_of_what_there_is():
    assert 1 << 28 < most_bytes() < 1 << 50
    check_size(1000, "A table")
    for values in (most_bytes() // 8 + 1, 10**40):
        with pytest.raises(InputError, match=r"\AA table would take .* half of what there is are"):
            check_size(values, "A table")


def test_archives_that_swell(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "most_bytes", lambda: 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1 << 18), kanhw="{}")
    assert (tmp_path / "a.npz").stat().st_size < 1 << 14
    for read in (check_archive, read_arrays, load_model):
        with pytest.raises(InputError, match=r"What .*a\.npz holds would take 0\.00195 GiB"):
            read(tmp_path / "a.npz")
    (tmp_path / "no.npz").write_bytes(b"PK nothing")
    check_archive(tmp_path / "no.npz")
    with zipfile.ZipFile(tmp_path / "small.npz", "w") as archive:
        archive.writestr("x.npy", b"")
    check_archive(tmp_path / "small.npz")
