"""Files that appear whole or not at all, and npz files that hold what they should."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from kanhw import places
from kanhw.errors import InputError
from kanhw.files import read_arrays, write_arrays, write_json
from kanhw.folders import write_folder
from kanhw.places import check_place, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_and_replace(tmp_path):
    assert write_whole(tmp_path / "a", "schön") == tmp_path / "a"
    assert (tmp_path / "a").read_bytes() == "schön".encode()
    write_whole(str(tmp_path / "a"), b"\0\n")
    assert (tmp_path / "a").read_bytes() == b"\0\n"
    write_json(tmp_path / "b.json", {"b": 1, "a": [2]})
    assert (tmp_path / "b.json").read_text() == '{\n "a": [\n  2\n ],\n "b": 1\n}\n'
    assert names(tmp_path) == ["a", "b.json"]


@pytest.mark.parametrize("method", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, method, error):
    def fail(self, *_):
        if isinstance(self, Path):
            self.touch()
        raise error

    (tmp_path / "a").write_text("old")
    owner = places.os if method == "fsync" else places.Path
    monkeypatch.setattr(owner, method, fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        write_whole(tmp_path / "a", "new")
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "missing" / "a", tmp_path / "file" / "a"):
        for check in (check_place, lambda path: write_whole(path, "")):
            with pytest.raises(InputError, match=r"cannot be written: choose a folder that exists"):
                check(place)
    for place in (tmp_path, "", ".", "..", "/dev/null"):
        with pytest.raises(InputError, match=r"(folder|device), not a file: name one to write"):
            check_place(place)
    check_place(None)
    check_place(tmp_path / "new")
    check_place(tmp_path / "file")
    assert names(tmp_path) == ["file"]


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(places.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(InputError, match=r"cannot be written: choose a folder that exists and is"):
        check_place(tmp_path / "a")


def test_folder(tmp_path):
    folder = tmp_path / "new" / "design"
    content = {"a": b"1", "b": b"2"}
    assert write_folder(folder, content) == folder
    assert names(folder) == ["a", "b"] and (folder / "b").read_bytes() == b"2"
    assert names(tmp_path / "new") == ["design"]
    before = (folder / "a").stat().st_mtime_ns
    write_folder(folder, content)
    assert (folder / "a").stat().st_mtime_ns == before
    empty = tmp_path / "empty"
    empty.mkdir()
    write_folder(empty, content)
    assert names(empty) == ["a", "b"]


@pytest.mark.parametrize("content", [{"a": b"1"}, {"a": b"1", "b": b"3"}, {"a": b"1", "c": b"2"}])
def test_a_folder_that_holds_something_else(tmp_path, content):
    write_folder(tmp_path / "design", {"a": b"1", "b": b"2"})
    with pytest.raises(InputError, match=r"already holds something else \(a, b\): remove it, or"):
        write_folder(tmp_path / "design", content)
    assert (tmp_path / "design" / "b").read_bytes() == b"2"
    assert names(tmp_path) == ["design"]


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_fails_leaves_nothing(tmp_path, monkeypatch, method, error):
    def fail(self, *_):
        raise error

    monkeypatch.setattr(places.Path, method, fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        write_folder(tmp_path / "design", {"a": b"1"})
    assert names(tmp_path) == []


def test_arrays_round_trip(tmp_path):
    x, y = np.linspace(0, 1, 6).reshape(2, 3), np.arange(2, dtype=np.int16)
    path = write_arrays(tmp_path / "data.npz", x=x, y=y)
    arrays = read_arrays(path)
    assert set(arrays) == {"x", "y"} and arrays["y"].dtype == np.int16
    np.testing.assert_array_equal(arrays["x"], x)
    assert read_arrays(str(path), "y")["y"].tolist() == [0, 1]
    with pytest.raises(InputError, match=r"data\.npz has no array 'z' \(it has x, y\)$"):
        read_arrays(path, "z")


def test_other_arrays_may_hold_anything(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2), names=np.array([None]), text=np.array(["a"]))
    arrays = read_arrays(tmp_path / "a.npz")
    assert arrays["names"].size == 0 and arrays["text"].tolist() == ["a"]


@pytest.mark.parametrize("x", [np.array(["a"]), np.zeros(2, complex), np.zeros(2, "M8[s]")])
def test_the_needed_array_holds_numbers(tmp_path, x):
    np.savez(tmp_path / "a.npz", x=x)
    with pytest.raises(InputError, match=r"a\.npz: 'x' must hold numbers, not "):
        read_arrays(tmp_path / "a.npz")


def test_objects_are_refused_where_they_matter(tmp_path):
    for name in ("x", "y", "labels"):
        np.savez(tmp_path / "a.npz", **{"x": np.zeros(2), name: np.array([None])})
        with pytest.raises(InputError, match=r"cannot be read as an npz file \(Object arrays"):
            read_arrays(tmp_path / "a.npz")


def test_files_that_are_no_npz(tmp_path):
    path = tmp_path / "data.npz"
    for missing in (path, tmp_path):
        with pytest.raises(InputError, match=r"is not a file: data are read from an npz file"):
            read_arrays(missing)
    np.save(tmp_path / "array.npy", np.zeros(3))
    array = (tmp_path / "array.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "encrypted.zip", "w") as archive:
        archive.writestr("x.npy", array)
    encrypted = bytearray((tmp_path / "encrypted.zip").read_bytes())
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    np.savez_compressed(path, x=np.random.default_rng(0).random(1000))
    damaged = bytearray(path.read_bytes())
    damaged[200:300] = bytes(100)
    for content in (b"", b"x,y\n1,2\n", b"PK\x03\x04 but then nothing", array, encrypted, damaged):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be read as an npz file .*numpy\.savez"):
            read_arrays(path)
