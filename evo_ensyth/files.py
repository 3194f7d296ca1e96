"""Write files whole or not at all, and identify their content by fingerprints."""

import glob
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError

# Windows cannot open a folder as a file, so there folders are neither locked nor flushed to disk.
WINDOWS = os.name == "nt"
UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}\.part")  # how tempfile calls what is not whole yet


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically: even after a crash, the file is the old one or the new one.

    What killed processes left unfinished of this file is removed.
    """
    handle, temporary = _temporary_file(path)
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
    sweep(path.parent, path.name)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, whole or not at all. JSON has no NaN and infinity: they raise ValueError."""
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        The file does not exist, is not JSON, or has an object in which a name occurs twice.
    """
    content = _read_regular(path)
    try:
        return json.loads(content, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.") from error


def check_new_folder(folder: Path) -> None:
    """Check before some long work that `folder_written_whole` will be able to create its folder.

    Raises
    ------
    InputError
        The folder already exists, or cannot be created there.
    """
    with _temporary_for(folder):
        pass


def next_free(folder: Path) -> Path:
    """Path of a folder that does not exist yet: this one, or the same with the next free number appended.

    Another process may find the same; `free_folder` makes sure that none does.
    """
    return next(free for free in _numbered(folder) if not os.path.lexists(free))


@contextmanager
def free_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder of this name, or of the same with the next free number appended; give its path.

    Of several processes that ask for one name, each gets a folder of its own. `folder_written_whole` fills it. If the
    block fails, the folder is removed unless somebody has put something into it.

    Raises
    ------
    InputError
        It cannot be made.
    """
    new_parents = _missing_parents(folder)
    try:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            for free in _numbered(folder):
                with suppress(FileExistsError):
                    free.mkdir()
                    break
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}.") from error
        try:
            yield free
        except BaseException:
            with suppress(OSError):
                free.rmdir()
            raise
    finally:
        _remove_empty(new_parents)


@contextmanager
def folder_written_whole(folder: Path, *, taken: bool = False) -> Iterator[Path]:
    """Provide a temporary folder that becomes ``folder`` if the block succeeds and is removed if it fails.

    Parameters
    ----------
    folder : Path
    taken : bool
        The folder is there and empty, made by `free_folder`.

    Raises
    ------
    InputError
        ``folder`` already exists, on entry or by the time the block ends, or it cannot be written.
    """
    with _temporary_for(folder, taken=taken) as temporary:
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _sync_folder(temporary)
            if taken and WINDOWS:
                folder.rmdir()  # elsewhere, an empty folder is replaced
            temporary.rename(folder)
            _sync_folder(folder.parent)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove the unfinished files and folders, of one name or all, that killed processes left in a folder.

    Those in use are locked.
    """
    if WINDOWS:
        return
    with suppress(OSError):  # it cannot be listed
        for path in sorted(folder.glob(".*.part" if name is None else f".{glob.escape(name)}.*.part")):
            if UNFINISHED.fullmatch(path.name) and stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                _remove_unless_in_use(path)


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder during the block; it is released however the process ends.

    Raises
    ------
    InputError
        Another process holds the lock.
    """
    if WINDOWS:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:
            raise InputError(f"another process is at work in {folder}; wait until it has ended.") from None
        yield
    finally:
        os.close(descriptor)


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(content: Any) -> str:
    """SHA-256 of the JSON form of ``content``, independent of the order of keys."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add field ``sha256``, the fingerprint of the rest, by which `unsealed` notices any change."""
    return {**content, "sha256": fingerprint(content)}


def unsealed(where: Path | str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` without the field that `sealed` added.

    Raises
    ------
    InputError
        The field is missing, or does not fit the rest. The message begins with ``where``.
    """
    rest = {key: value for key, value in content.items() if key != "sha256"}
    if content.get("sha256") != fingerprint(rest):
        raise InputError(f"{where}: field 'sha256' does not fit the rest of the file; it was changed by hand.")
    return rest


def read_checked(path: Path, digest: str, parse: Callable[[bytes], Any]) -> Any:
    """Check the SHA-256 of a file, then return the result of ``parse`` on its content.

    Raises
    ------
    InputError
        The file is missing, has other content, or ``parse`` cannot read it.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link; the manifest lists a file of its own.")
    content = _read_regular(path)
    if sha256(content) != digest:
        raise _not_listed(path)
    try:
        return parse(content)
    except Exception as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def check_digest(path: Path, digest: str) -> None:
    """Check the SHA-256 of a file that is too large to hold.

    Raises
    ------
    InputError
        It has another one.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise _not_listed(path)


def _not_listed(path: Path) -> InputError:
    return InputError(
        f"{path} is not the file that the manifest lists (its sha256 differs); 'pool build --repair' makes it again."
    )


def check_regular(path: Path) -> None:
    """Refuse whatever is not a regular file: opening a pipe, or reading a device, might never end.

    Raises
    ------
    InputError
        It does not exist, or is something else.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a regular file.")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def _temporary_for(folder: Path, *, taken: bool = False) -> Iterator[Path]:
    """Create a temporary folder next to ``folder``, and afterwards remove whatever did not become part of it."""
    new_parents = _missing_parents(folder)
    temporary, lock = None, None
    try:
        temporary, lock = _made_beside(folder, taken=taken)
        yield temporary
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)
        if lock is not None:
            os.close(lock)
        _remove_empty(new_parents)


def _made_beside(folder: Path, *, taken: bool) -> tuple[Path, int | None]:
    """Make a temporary folder, and lock it so that no other process sweeps it away; return it with its descriptor."""
    try:
        if not taken:
            with suppress(FileNotFoundError):
                folder.lstat()
                raise InputError(f"{folder} exists already; name another folder or remove it.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        while True:
            made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
            if WINDOWS:
                return made, None
            with suppress(FileNotFoundError):  # another process took it for a leftover before it could be locked
                lock = os.open(made, os.O_RDONLY)
                if _kept(made, lock):
                    return made, lock
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from error


def _missing_parents(folder: Path) -> list[Path]:
    return [parent for parent in folder.parents if not os.path.lexists(parent)]  # innermost first


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it no longer exists, or is not empty
            folder.rmdir()


def _temporary_file(path: Path) -> tuple[int, str]:
    """Make a temporary file next to ``path``, and lock it so that no other process sweeps it away."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        if _kept(Path(temporary), handle):
            return handle, temporary


def _kept(made: Path, descriptor: int) -> bool:
    """Lock what was just made. False, and the descriptor closed, if another process took it for a leftover."""
    with suppress(BlockingIOError):
        _lock(descriptor)
        if made.exists():
            return True
    os.close(descriptor)
    return False


def _remove_unless_in_use(path: Path) -> None:
    with suppress(OSError):  # it is in use, or another process has removed it
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            _lock(descriptor, strict=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)


def _numbered(folder: Path) -> Iterator[Path]:
    """The folder, then the same with 2, 3, ... appended to its name."""
    yield folder
    for number in count(2):
        yield folder.with_name(f"{folder.name}.{number}")


def _lock(descriptor: int, *, strict: bool = False) -> None:
    """Lock an open file or folder until it is closed, however the process ends.

    Raises
    ------
    BlockingIOError
        Another process holds the lock.
    OSError
        If ``strict``: the file system has no locks. Otherwise nothing is locked there.
    """
    if WINDOWS:
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        if strict:
            raise


def _read_regular(path: Path) -> bytes:
    """Read a regular file; see `check_regular`."""
    check_regular(path)
    try:
        return path.read_bytes()
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
