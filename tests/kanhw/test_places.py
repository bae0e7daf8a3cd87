"""Places of output: what a path itself is, and files that two writers want at once."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kanhw.errors import InputError
from kanhw.folders import write_folder
from kanhw.places import check_place, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(path):
    """What both say of a place: the check before long work, and the writing."""
    for attempt in (check_place, lambda path: write_whole(path, "new")):
        with pytest.raises(InputError) as caught:
            attempt(path)
    return str(caught.value)


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    target, link, second = tmp_path / "there" / "file", tmp_path / "link", tmp_path / "second"
    link.symlink_to("there/file")  # dangling at first
    second.symlink_to(link)
    for text in ("one", "two"):
        assert write_whole(second, text) == second
        assert target.read_text() == text and not target.is_symlink()
    assert link.is_symlink() and second.is_symlink()
    assert names(tmp_path / "there") == ["file"]


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "a is a link that leads back to itself" in refused(tmp_path / "a")
    (tmp_path / "c").symlink_to("missing/file")
    assert "choose a folder that exists" in refused(tmp_path / "c")
    (tmp_path / "d").symlink_to(tmp_path)
    assert "d is a folder, not a file" in refused(tmp_path / "d")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "d").is_symlink()


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("pipe", "link"):
            assert f"{name} is a pipe, not a file" in refused(tmp_path / name)
        assert "socket is a socket, not a file" in refused(tmp_path / "socket")
    assert "/dev/null is a device, not a file" in refused("/dev/null")
    assert "- is no name of a file" in refused("-")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows open files")
def test_standard_output_is_refused_by_whatever_name(tmp_path):
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    code = (
        "import sys; from kanhw.places import write_whole\n"
        "for path in sys.argv[1:]:\n"
        "    try: write_whole(path, 'new')\n"
        "    except ValueError as error: print(error, file=sys.stderr)\n"
    )
    out = tmp_path / "out.txt"
    with out.open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "stdout", out],
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        f"{tmp_path / 'stdout'} is an open file of a process",
        f"{out} is where standard output goes",
    ]
    assert out.read_text() == "" and (tmp_path / "stdout").is_symlink()


def test_text_that_nothing_can_encode(tmp_path):
    """As the name of a file on a disk of another system, which a report quotes."""
    write_whole(tmp_path / "a", "n\udce9")
    assert (tmp_path / "a").read_bytes() == rb"n\udce9"


def test_the_longest_name_and_the_mode_of_the_old_file(tmp_path):
    place = tmp_path / ("n" * 255)
    write_whole(place, "one")
    plain = tmp_path / "plain"
    plain.touch()
    assert place.stat().st_mode == plain.stat().st_mode
    place.chmod(0o640)
    write_whole(place, "two")
    assert place.read_text() == "two" and place.stat().st_mode & 0o777 == 0o640


def test_two_writers_never_show_half_a_file(tmp_path):
    place, size = tmp_path / "file", 1 << 20
    contents = [bytes([letter]) * size for letter in b"abcd"]
    write_whole(place, contents[0])
    failures: list[object] = []

    def keep_writing(content):
        try:
            for _ in range(20):
                write_whole(place, content)
        except (InputError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=keep_writing, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = place.read_bytes()
        if len(seen) != size or len(set(seen)) != 1:
            failures.append(len(seen))
            break
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("old", [None, {"a": b"0"}], ids=["new", "in place of another"])
def test_two_equal_folders_at_once(tmp_path, old, monkeypatch):
    """As two equal 'kanhw generate' have it: both succeed, also where each is slow."""
    for step in ("iterdir", "replace"):
        do = getattr(Path, step)
        monkeypatch.setattr(Path, step, lambda *paths, do=do: (time.sleep(0.01), do(*paths))[1])
    files = {name: name.encode() * 2000 for name in "abcdefgh"}
    for turn in range(4):
        folder = tmp_path / f"design{turn}"
        if old:
            write_folder(folder, old)
        start, failures = threading.Barrier(4), []

        def make(delay, folder=folder, start=start, failures=failures):
            start.wait()
            time.sleep(delay)
            try:
                write_folder(folder, files, ours=lambda _: {"a"})
            except (InputError, OSError) as error:
                failures.append(error)

        threads = [threading.Thread(target=make, args=[0.01 * late]) for late in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert len(names(tmp_path)) == 4


def test_a_folder_behind_a_link(tmp_path):
    files = {"a": b"1"}
    (tmp_path / "there").mkdir()
    (tmp_path / "full").symlink_to("there")
    (tmp_path / "dangling").symlink_to("elsewhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("full", "dangling"):
        write_folder(tmp_path / name, files)
        assert (tmp_path / name).is_symlink() and (tmp_path / name / "a").read_bytes() == b"1"
    write_folder(tmp_path / "full", {"a": b"2"}, ours=lambda _: {"a"})
    assert (tmp_path / "full").is_symlink() and (tmp_path / "there" / "a").read_bytes() == b"2"
    with pytest.raises(InputError, match="loop is a link that leads back to itself"):
        write_folder(tmp_path / "loop", files)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is a pipe, not a folder"):
        write_folder(tmp_path / "pipe", files)
    assert names(tmp_path / "there") == ["a"]
