"""MNIST: 70,000 handwritten digits, 28 x 28 grey pixels.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998.
"""

from evo_ensyth.synthesis.datasets import Dataset
from evo_ensyth.synthesis.datasets._files import PublishedFile
from evo_ensyth.synthesis.datasets._idx import IDX_NAMES, read_idx_dataset

URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
FILES = tuple(PublishedFile(("mnist",), name, md5, f"{URL}/{name}") for name, md5 in zip(IDX_NAMES, MD5, strict=True))


def load() -> Dataset:
    """60,000 samples for training and search, 10,000 for test."""
    return read_idx_dataset("mnist", tuple("0123456789"), FILES)
