"""The format of MNIST and Fashion-MNIST: four gzipped IDX files of unsigned bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.datasets import Dataset, Split
from evo_ensyth.synthesis.datasets._files import PublishedFile, check_md5, found

IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
SHAPES = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))


def read_idx_dataset(name: str, classes: tuple[str, ...], files: tuple[PublishedFile, ...]) -> Dataset:
    """Read the four files, in the order of `IDX_NAMES`."""
    arrays = []
    for file, shape in zip(files, SHAPES, strict=True):
        path = found(file)
        check_md5(path, file.md5)
        arrays.append(read_idx(path, shape))
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(name, classes, Split(train_images[:, None], train_labels), Split(test_images[:, None], test_labels))


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a uint8 array of this shape, and no more bytes than it needs, whatever the header says.

    Raises
    ------
    InputError
        The file is not gzip, has another type or shape, or more or fewer bytes than its header says.
    """
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)  # 8: unsigned bytes.
    size = math.prod(shape)
    try:
        with gzip.open(path) as file:
            if file.read(len(header)) != header:
                raise InputError(f"{path} is not an IDX file of bytes of shape {shape}; get the published one.")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if len(content) != size:
        than = "more" if len(content) > size else "fewer"
        raise InputError(f"{path} holds {than} than the {size} bytes its header promises; get the published one.")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
