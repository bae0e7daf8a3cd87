"""The cache of what took long to build."""

import os
from pathlib import Path

import pytest

from kanhw.tools.cache import VARIABLE, Cache, user_cache


def _built(folder: Path, name: str, size: int = 100) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    return path


def test_keeps_a_file_and_a_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.find("one") is None
    place = cache.keep("one", _built(tmp_path, "program"))
    assert cache.find("one") == place and place.read_bytes() == bytes(100)
    folder = tmp_path / "folder"
    folder.mkdir()
    _built(folder, "program", 7)
    assert (cache.keep("two", folder) / "program").stat().st_size == 7


def test_the_first_of_two_equal_ones_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for size in (3, 5):
        folder = tmp_path / f"built{size}"
        folder.mkdir()
        _built(folder, "program", size)
        place = cache.keep("key", folder)
    assert (place / "program").stat().st_size == 3
    assert [path.name for path in cache.folder.iterdir()] == ["key"]


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", limit=250)
    for age, name in enumerate(("first", "second")):
        os.utime(cache.keep(name, _built(tmp_path, name)), (1000 + age, 1000 + age))
    assert cache.find("first") is not None  # so that the second is the one used least
    cache.keep("third", _built(tmp_path, "third"))
    assert sorted(path.name for path in cache.folder.iterdir()) == ["first", "third"]


def test_what_is_larger_than_the_limit_is_kept_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", limit=250)
    cache.keep("small", _built(tmp_path, "small"))
    cache.keep("large", _built(tmp_path, "large", 1000))
    assert [path.name for path in cache.folder.iterdir()] == ["large"]


def test_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert user_cache("kind") == Cache(tmp_path / "mine" / "kind")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache("kind") == Cache(tmp_path / "xdg" / "kanhw" / "kind")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_cache("kind") == Cache(tmp_path / "home" / ".cache" / "kanhw" / "kind")


def test_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert user_cache("kind") is None
    _built(tmp_path, "file")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert user_cache("kind") is None


def test_what_cannot_be_kept_is_used_where_it_is(tmp_path: Path) -> None:
    file = _built(tmp_path, "no folder")
    program = _built(tmp_path, "program")
    assert Cache(file / "cache").keep("key", program) == program
