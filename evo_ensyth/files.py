"""Files that are written whole or not at all, and the fingerprints by which they are known again."""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError

# Windows opens no folder as a file: there folders are neither locked nor flushed to disk.
WINDOWS = os.name == "nt"


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader, or a crash, sees the old file or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, whole or not at all. NaN and infinity are refused: JSON has none."""
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises
    ------
    InputError
        No such file, not JSON, or a name that stands twice in one object.
    """
    content = _read_regular(path)
    try:
        return json.loads(content, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.") from error


def check_new_folder(folder: Path) -> None:
    """Find out before the work is done whether `folder_written_whole` can make a folder after it.

    Raises
    ------
    InputError
        It exists already, or cannot be made there.
    """
    with _temporary_for(folder):
        pass


def next_free(folder: Path) -> Path:
    """Path of a folder that does not exist yet: this one, or the same with the next number behind it."""
    number, free = 1, folder
    while os.path.lexists(free):
        number += 1
        free = folder.with_name(f"{folder.name}.{number}")
    return free


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """Hand out a temporary folder that becomes ``folder`` when the block ends well and vanishes when it does not.

    Raises
    ------
    InputError
        ``folder`` exists already, when the block is entered or by the time it ends, or it cannot be written.
    """
    with _temporary_for(folder) as temporary:
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _sync_folder(temporary)
            temporary.rename(folder)
            _sync_folder(folder.parent)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Have a folder to oneself among the processes that ask for it; however a process ends, it lets go.

    Raises
    ------
    InputError
        Another process has it.
    """
    if WINDOWS:
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is at work in {folder}; wait until it has ended.") from None
        except OSError:
            pass  # A file system without locks: two processes would only do the same work twice.
        yield
    finally:
        os.close(descriptor)


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(content: Any) -> str:
    """SHA-256 of what JSON would say of ``content``, whatever the order of its keys."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def read_checked(path: Path, digest: str, parse: Callable[[bytes], Any]) -> Any:
    """What ``parse`` makes of a file whose SHA-256 is known.

    Raises
    ------
    InputError
        The file is missing, has other content, or ``parse`` cannot read it.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link; the manifest lists a file of its own.")
    content = _read_regular(path)
    if sha256(content) != digest:
        raise InputError(f"{path} is not the file that the manifest lists (its sha256 differs); build the pool again.")
    try:
        return parse(content)
    except Exception as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


@contextmanager
def _temporary_for(folder: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``folder``, and take away afterwards whatever did not become part of it."""
    new_parents = [parent for parent in folder.parents if not os.path.lexists(parent)]  # innermost first
    temporary = None
    try:
        temporary = _made_beside(folder)
        yield temporary
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)
        for parent in new_parents:
            with suppress(OSError):  # it is there no longer, or something lies in it
                parent.rmdir()


def _made_beside(folder: Path) -> Path:
    try:
        with suppress(FileNotFoundError):
            folder.lstat()
            raise InputError(f"{folder} exists already; name another folder or remove it.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from error


def _read_regular(path: Path) -> bytes:
    """Content of a file that is one: reading a pipe or a device might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no regular file.")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return content


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
