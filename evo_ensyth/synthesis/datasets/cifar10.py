"""CIFAR-10: 60,000 colour photographs in ten classes, 32 x 32 pixels.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, University of Toronto, 2009.
The *binary* version is read; the Python version consists of pickles.
"""

import math
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.datasets import Dataset, Split
from evo_ensyth.synthesis.datasets._files import PublishedFile, data_folders, found, read_bytes

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = PublishedFile(
    folders=("cifar-10", "."),
    name="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",  # Of the archive; single batches have no published checksum.
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
)
FOLDER = "cifar-10-batches-bin"
BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
IMAGES = 10_000  # In each batch.
IMAGE_SHAPE = (3, 32, 32)


def load() -> Dataset:
    """50,000 samples for training and search, 10,000 for test."""
    *train, test = (_split(name, content) for name, content in _contents())
    images = np.concatenate([batch.images for batch in train])
    labels = np.concatenate([batch.y_true for batch in train])
    return Dataset("cifar10", CLASSES, Split(images, labels), test)


def _contents() -> Iterator[tuple[str, bytes]]:
    """Name for messages, and content, of each batch: from the folder if there is one, else from the archive."""
    folders = (root / below / FOLDER for root in data_folders() for below in ARCHIVE.folders)
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is not None:
        yield from ((str(folder / name), read_bytes(folder / name)) for name in BATCHES)
        return
    archive = found(ARCHIVE)
    members = _archive_members(archive)
    for name in BATCHES:
        if name not in members:
            raise InputError(f"{archive} has no {FOLDER}/{name} of {_batch_bytes()} bytes; get the published archive.")
        yield f"{archive}: {FOLDER}/{name}", members[name]


def _archive_members(path: Path) -> dict[str, bytes]:
    """Content of the batches, in one pass over the archive; nothing is unpacked to disk."""
    members = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                folder, _, name = member.name.partition("/")
                if folder == FOLDER and name in BATCHES and member.isfile() and member.size == _batch_bytes():
                    file = archive.extractfile(member)
                    members[name] = file.read() if file else b""
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    return members


def _split(name: str, content: bytes) -> Split:
    """Read records of one byte for the label and one image, channel by channel."""
    if len(content) != _batch_bytes():
        raise InputError(f"{name} has {len(content)} bytes; a batch of CIFAR-10 has {_batch_bytes()}.")
    records = np.frombuffer(content, dtype=np.uint8).reshape(IMAGES, -1)
    labels = records[:, 0]
    if labels.max() >= len(CLASSES):
        raise InputError(f"{name} holds label {labels.max()}; labels of CIFAR-10 are 0 to 9.")
    return Split(records[:, 1:].reshape(-1, *IMAGE_SHAPE), labels)


def _batch_bytes() -> int:
    return IMAGES * (1 + math.prod(IMAGE_SHAPE))
