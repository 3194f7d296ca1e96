"""Where published files lie on this machine, and how they come here."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from evo_ensyth.errors import InputError

DATA_VARIABLE = "EVO_ENSYTH_DATA"


@dataclass(frozen=True)
class PublishedFile:
    """A file that everybody has the same copy of.

    Attributes
    ----------
    folders : tuple of str
        Where it may lie below a data folder; a download goes to the first.
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
    """Return the folders that may hold data sets: the user's own, then the cache.

    Raises
    ------
    InputError
        ``$EVO_ENSYTH_DATA`` is set to something that is no folder.
    """
    cache = Path(pooch.os_cache("evo_ensyth"))
    own = os.environ.get(DATA_VARIABLE)
    if not own:
        return (cache,)
    if not Path(own).is_dir():
        raise InputError(f"${DATA_VARIABLE} is '{own}', which is no folder; make it or name another.")
    return (Path(own), cache)


def found(file: PublishedFile) -> Path:
    """Path of a file on this machine, downloaded if it has to be.

    Raises
    ------
    InputError
        It is not here and cannot be downloaded.
    """
    roots = data_folders()
    paths = [root / folder / file.name for root in roots for folder in file.folders]
    present = next((path for path in paths if path.exists()), None)
    if present is not None:
        return present
    root = next((root for root in roots if os.access(root, os.W_OK)), roots[-1])
    return _downloaded(file, root / file.folders[0])


def check_md5(path: Path, md5: str) -> None:
    """Compare a file with its published checksum.

    Raises
    ------
    InputError
        The file is another one.
    """
    actual = hashlib.md5(read_bytes(path), usedforsecurity=False).hexdigest()
    if actual != md5:
        raise InputError(f"{path} is not the published file (md5 {actual} instead of {md5}); remove or replace it.")


def read_bytes(path: Path) -> bytes:
    """Content of a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _downloaded(file: PublishedFile, folder: Path) -> Path:
    try:
        return Path(pooch.retrieve(file.url, known_hash=f"md5:{file.md5}", fname=file.name, path=folder))
    except (OSError, ValueError) as error:  # No network, no room, or not the published content.
        raise InputError(
            f"{file.name} is missing and cannot be downloaded from {file.url} ({type(error).__name__}); "
            f"get it by other means and put it into the folder {file.folders[0]} of ${DATA_VARIABLE}."
        ) from error
