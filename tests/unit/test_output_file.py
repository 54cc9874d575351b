"""Files are written whole or not at all, and what is no file is left what it is."""

from __future__ import annotations

import os
import resource
import stat
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fusepath.errors import OutputError
from fusepath.output_file import check_output, output_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes, as where there is no room: nor one that tests log to."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o027)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_new_file_gets_what_the_umask_allows_and_an_old_one_keeps_its_mode(tmp_path):
    file = tmp_path / "a.json"

    write_file(file, b"first")
    assert (file.read_bytes(), mode(file)) == (b"first", 0o640)

    file.chmod(0o664)
    write_file(file, b"second")
    assert (file.read_bytes(), mode(file)) == (b"second", 0o664)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others need root")
def test_the_owner_is_kept(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"old")
    os.chown(file, 12345, 12346)

    write_file(file, b"new")

    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12346)


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(b"old")

    with (
        full_disk(),
        pytest.raises(OutputError, match=r"cannot write .*a\.json: File too large"),
    ):
        write_file(file, bytes(1000))

    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("there", [True, False], ids=["file", "dangling"])
def test_a_link_is_followed(tmp_path, there):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.json", tmp_path / "link.json"
    link.symlink_to("folder/target.json")
    if there:
        target.write_bytes(b"old")

    check_output(link)
    write_file(link, b"new")

    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert sorted(tmp_path.rglob("*")) == sorted([tmp_path / "folder", target, link])


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = bytes(range(256)) * 2000  # more than a pipe holds
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()

    check_output(pipe)
    write_file(pipe, data)
    reader.join(10)

    assert got == [data]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_only_has_a_number_is_written_to():
    read, write = os.pipe()
    try:
        check_output(f"/dev/fd/{write}")
        write_file(f"/dev/fd/{write}", b"x")
        assert os.read(read, 10) == b"x"
    finally:
        os.close(read)
        os.close(write)


def test_a_device_is_written_to_and_stays_one():
    write_file("/dev/null", b"x")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        write_file("/dev/full", b"x")


def test_standard_output_is_that_of_the_command_also_where_libraries_have_lost_it(capfdbinary):
    write_file("/dev/stdout", b"\x00x")

    assert capfdbinary.readouterr().out == b"\x00x"


def test_a_file_in_a_folder_that_takes_no_new_ones_is_written_in_place(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    file.write_bytes(b"old and long")
    opened = os.open

    def only_old(path, flags, *mode, **options):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", only_old)
    write_file(file, b"new")
    assert file.read_bytes() == b"new"
    with pytest.raises(OutputError, match="Permission denied"):
        write_file(tmp_path / "b.json", b"new")


def test_in_place_a_full_disk_leaves_what_was_there_too(tmp_path, monkeypatch):
    test_file = tmp_path / "a.json"
    test_file.write_bytes(b"old")
    opened = os.open

    def only_old(path, flags, *mode, **options):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", only_old)
    with full_disk(), pytest.raises(OutputError, match="File too large"):
        write_file(test_file, bytes(1000))
    assert test_file.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "it is a folder"),
        ("missing/a.json", "there is no folder .*missing"),
        ("file/a.json", "there is no folder|Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, name, words):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OutputError, match=rf"cannot write .*({words})"):
        check_output(tmp_path / name)
    with pytest.raises(OutputError, match="cannot write"):
        write_file(tmp_path / name, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("there", [True, False], ids=["file", "folder"])
def test_what_may_not_be_written_is_refused_before_the_work(tmp_path, monkeypatch, there):
    if there:
        (tmp_path / "a.json").write_bytes(b"")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may everything

    with pytest.raises(OutputError, match="permission denied"):
        check_output(tmp_path / "a.json")
    with pytest.raises(OutputError, match="permission denied"):
        output_folder(tmp_path)


def test_checking_makes_no_file_and_a_folder_is_made(tmp_path):
    check_output(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
    assert output_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot make the folder"):
        output_folder(tmp_path / "file" / "a")
