"""How every file is written: whole or not at all, and never in place of what is no file."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from pathlib import Path

from fusepath.errors import OutputError

STANDARD_OUTPUT = "/dev/stdout"
_NAMES_OF_STANDARD_OUTPUT = (STANDARD_OUTPUT, "/dev/fd/1", "/proc/self/fd/1")
"""Means what Python writes to, wherever the descriptor of that number leads by now."""


def write_file(path: str | Path, data: bytes) -> None:
    """Write a file in one step: it is either the old one or the whole new one.

    What is no regular file, as a device or a pipe, is written to; a symbolic link is followed. A
    file that was there keeps its mode, a new one gets what the umask allows. Where the folder takes
    no new files but the file can be written, it is written in place once there is room for it all.

    Raises:
        OutputError: it cannot be written; what was there still is.
    """
    try:
        own = getattr(sys.stdout, "buffer", None)
        if own is not None and is_standard_output(path):
            sys.stdout.flush()
            own.write(data)
            own.flush()
        elif _is_stream(path):
            _send(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def is_standard_output(path: str | Path) -> bool:
    """Whether a path is a name of standard output."""
    return os.fspath(path) in _NAMES_OF_STANDARD_OUTPUT


def check_output(path: str | Path) -> None:
    """Refuse what `write_file` could not write, before the work for it is done.

    Raises:
        OutputError: it is a folder, its folder is missing, or neither may be written.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
        if _is_there(path):
            allowed = os.access(path, os.W_OK)
        elif target.parent.is_dir():
            allowed = os.access(target.parent, os.W_OK | os.X_OK)
        else:
            folder = target.parent if Path(path).is_symlink() else Path(path).parent
            raise OutputError(f"cannot write {path}: there is no folder {folder}")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    if not allowed:
        raise OutputError(f"cannot write {path}: permission denied")


def output_folder(path: str | Path) -> Path:
    """The folder, which is made where it is missing.

    Raises:
        OutputError: it cannot be made, or nothing may be written into it.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write into the folder {folder}: permission denied")
    return folder


def _is_there(path: str | Path) -> bool:
    try:
        Path(path).stat()
    except FileNotFoundError:
        return False
    return True


def _is_stream(path: str | Path) -> bool:
    """Is it there, and no regular file? Links such as those of /proc lead to no name of it."""
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except FileNotFoundError:
        return False


def _send(path: str | Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        _write_all(handle, data)
    finally:
        os.close(handle)


def _replace(target: Path, data: bytes) -> None:
    """A new file beside the target, which then takes its place."""
    old = target.stat() if target.exists() else None
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # Not made by tempfile: only the kernel knows the umask without changing it.
    beside = target.with_name(f".fusepath-{secrets.token_hex(8)}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except PermissionError:
        if old is None:
            raise
        _overwrite(target, data)
        return
    try:
        try:
            if old is not None:
                _dress(handle, old)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _dress(handle: int, old: os.stat_result) -> None:
    """Owner, where that is allowed, and mode of the file that is replaced."""
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _overwrite(target: Path, data: bytes) -> None:
    handle = os.open(target, os.O_WRONLY)
    try:
        if data:
            os.posix_fallocate(handle, 0, len(data))
        _write_all(handle, data)
        os.ftruncate(handle, len(data))
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
