"""Arrays of an untrusted ``.npz`` file: read one by one, never unpickled, with every header verified.

``numpy.load`` is enough for trusted files. This reader is stricter: it rejects duplicate names, headers that do not
match the amount of data, arrays that do not fit into memory, and compression methods that Python cannot decompress in
bounded chunks. It verifies the checksum of everything it reads, and reports all problems as one type of error.
"""

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from evo_ensyth.errors import InputError
from evo_ensyth.pool.memory import check_fits

# The methods NumPy uses. With others, zipfile decompresses 4 KiB of input at once, possibly to gigabytes: zip bombs
# that no declared size reveals.
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# A compressed array of more values than MOST_VALUES may not hold more than so many in a byte: nearly all of them would
# be equal, and a few megabytes would become gigabytes. Labels of a byte each reach 700 where one sample in 10,000 is of
# a rare class; with 8 bytes a value, no array reaches 130.
MOST_VALUES, MOST_VALUES_IN_A_BYTE = 2**27, 500
END_RECORD = 22  # bytes at the end of a zip file without comments: among them, the number of entries
HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,  # differs only in field names, which no array here has
}


@contextmanager
def opened(path: Path) -> Iterator["Npz"]:
    """Open a file for reading.

    Raises
    ------
    InputError
        The file does not exist, is not a complete zip file, or has two entries of the same name or one that is named in
        two ways. Errors raised later, inside the context, do not name the file.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path} {'is not a regular file' if path.exists() else 'does not exist'}.")
        file = zipfile.ZipFile(path)
        _check_directory(path, len(file.infolist()))
        for entry in file.infolist():  # also of keys that are not used: by damage, an optional key may be none any more
            file.open(entry).close()
    except InputError:
        raise
    except Exception as error:  # zipfile raises nearly anything for damaged files
        raise InputError(f"{path} is not a complete .npz file: {error}.") from error
    with file:
        entries = file.namelist()
        keys = tuple(entry.removesuffix(".npy") for entry in entries)
        if len(set(keys)) < len(keys):
            raise InputError(f"{path} holds '{max(keys, key=keys.count)}' twice; store each array once.")
        yield Npz(file, keys, dict(zip(keys, entries, strict=True)))


@dataclass(frozen=True)
class Stream:
    """The data of one array, after its header, in row-major order.

    Attributes
    ----------
    key : str
    shape : tuple of int
    dtype : dtype
    file : binary file
        Positioned at the next value to read.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file: IO[bytes]

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Read the next values, as many as ``shape`` holds."""
        size = math.prod(shape) * self.dtype.itemsize
        check_size(self.key, size)
        content = self._read(size)
        if len(content) < size:
            raise InputError(f"'{self.key}' is cut off: {len(content)} of {size} bytes.")
        return np.frombuffer(content, self.dtype).reshape(shape)

    def finish(self) -> None:
        """Read past the end, where zipfile verifies the checksum."""
        if self._read(1):
            raise InputError(f"'{self.key}' holds more than its header says, shape {self.shape}.")

    def _read(self, size: int) -> bytes:
        try:
            return self.file.read(size)
        except Exception as error:  # decompressors raise nearly anything for damaged data
            raise InputError(f"'{self.key}' cannot be read: {error}.") from error


@dataclass(frozen=True)
class Npz:
    """An open ``.npz`` file. Errors name the key.

    Attributes
    ----------
    file : ZipFile
    keys : tuple of str
        Names of the arrays, without duplicates.
    entries : mapping of str to str
        Zip entry of each array.
    """

    file: zipfile.ZipFile
    keys: tuple[str, ...]
    entries: dict[str, str]

    def array(self, key: str) -> np.ndarray:
        """Read a whole array; it is read-only."""
        with self.stream(key) as stream:
            values = stream.take(stream.shape)
            stream.finish()
        return values

    @contextmanager
    def stream(self, key: str) -> Iterator[Stream]:
        """Open an array for reading in parts."""
        if key not in self.keys:
            raise InputError(f"no '{key}'; found {', '.join(self.keys) or 'nothing'}.")
        entry = self.file.getinfo(self.entries[key])
        if entry.compress_type not in PACKINGS:
            raise InputError(f"'{key}' is packed in a way that numpy never uses; write it with numpy.savez_compressed.")
        try:
            file = self.file.open(entry)
        except Exception as error:
            raise InputError(f"'{key}' cannot be opened: {error}.") from error
        with file:
            shape, column_major, dtype = _header(key, file)
            n_values = math.prod(shape)
            is_there = n_values * dtype.itemsize <= entry.file_size  # or else the header lies
            if is_there and n_values > max(MOST_VALUES, MOST_VALUES_IN_A_BYTE * entry.compress_size):
                raise InputError(
                    f"'{key}' holds {n_values:,} values in {entry.compress_size:,} bytes: nearly all of them are the "
                    "same. If they are meant, store them uncompressed with numpy.savez."
                )
            stream = Stream(key, shape, dtype, file)
            if column_major and len(shape) > 1:
                rows = stream.take((math.prod(shape),)).reshape(shape, order="F").tobytes()
                stream.finish()
                stream = Stream(key, shape, dtype, io.BytesIO(rows))
            yield stream


def _check_directory(path: Path, n_found: int) -> None:
    """Check that the directory at the end of a zip file names as many entries as were found in it.

    By a changed length, an entry can swallow those after it, as part of its comment. NumPy writes no comments.
    """
    with path.open("rb") as file:
        file.seek(-END_RECORD, io.SEEK_END)
        record = file.read()
    n_told = int.from_bytes(record[10:12], "little")
    if record[:4] != b"PK\5\6" or n_told != n_found % 2**16:
        raise ValueError("its directory is damaged, or has comments, which NumPy never writes")


def check_size(key: str, size: int) -> None:
    """Reject an array that would not fit into memory; see `check_fits`."""
    check_fits(f"'{key}'", size)


def _header(key: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers written by Python 2, or damaged ones
            version = npy.read_magic(file)
            if version not in HEADERS:
                raise ValueError(f"version {version} is not known")
            shape, column_major, dtype = HEADERS[version](file)
    except Exception as error:  # NumPy raises nearly anything for damaged headers
        raise InputError(f"'{key}' has no header of an array: {error}.") from error
    if dtype.hasobject:
        raise InputError(f"'{key}' holds pickled objects, which are never loaded; store plain numbers.")
    sizes_fit = all(type(n) is int and n >= 0 for n in shape) and math.prod(filter(None, shape)) < 2**60
    if dtype.itemsize == 0 or not sizes_fit:
        raise InputError(f"'{key}' has shape {shape} and type {dtype}; no such array exists.")
    return shape, column_major, dtype
