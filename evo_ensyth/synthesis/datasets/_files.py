"""Published files: where they are on this machine, and how to download them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from evo_ensyth.errors import InputError, build_extra
from evo_ensyth.files import check_regular

DATA_VARIABLE = "EVO_ENSYTH_DATA"


@dataclass(frozen=True)
class PublishedFile:
    """A file with a published checksum.

    Attributes
    ----------
    folders : tuple of str
        Where it may be, relative to a data folder; downloads go to the first.
    name : str
    md5 : str
        As published.
    url : str
    """

    folders: tuple[str, ...]
    name: str
    md5: str
    url: str


def data_folders() -> tuple[Path, ...]:
    """Folders that may hold data sets: the user's own, then the cache.

    Raises
    ------
    InputError
        ``$EVO_ENSYTH_DATA`` is set, but not to a folder.
    """
    with build_extra():
        import pooch

    cache = Path(pooch.os_cache("evo_ensyth"))
    own = os.environ.get(DATA_VARIABLE)
    if not own:
        return (cache,)
    if not Path(own).is_dir():
        raise InputError(f"${DATA_VARIABLE} is '{own}', which is not a folder; create it or name another.")
    return (Path(own), cache)


def found(file: PublishedFile) -> Path:
    """Path of a file on this machine, downloaded if necessary.

    Raises
    ------
    InputError
        It is missing and cannot be downloaded.
    """
    roots = data_folders()
    paths = [root / folder / file.name for root in roots for folder in file.folders]
    present = next((path for path in paths if path.exists()), None)
    if present is not None:
        return present
    root = next((root for root in roots if os.access(root, os.W_OK)), roots[-1])
    return _downloaded(file, root / file.folders[0])


def check_md5(path: Path, md5: str) -> None:
    """Check a file against its published checksum.

    Raises
    ------
    InputError
        The file is not the published one.
    """
    actual = hashlib.md5(read_bytes(path), usedforsecurity=False).hexdigest()
    if actual != md5:
        raise InputError(f"{path} is not the published file (its md5 is {actual}, not {md5}); remove or replace it.")


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    check_regular(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _downloaded(file: PublishedFile, folder: Path) -> Path:
    import pooch

    try:
        return Path(pooch.retrieve(file.url, known_hash=f"md5:{file.md5}", fname=file.name, path=folder))
    except (OSError, ValueError) as error:  # No network, no room, or not the published content.
        raise InputError(
            f"{file.name} is missing and cannot be downloaded from {file.url} ({type(error).__name__}); "
            f"get it by other means and put it into the folder {file.folders[0]} below ${DATA_VARIABLE}."
        ) from error
