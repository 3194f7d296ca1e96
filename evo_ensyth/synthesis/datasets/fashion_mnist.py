"""Fashion-MNIST: 70,000 articles of clothing in ten classes, 28 x 28 grey pixels.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv 1708.07747, 2017.
"""

from evo_ensyth.synthesis.datasets import Dataset
from evo_ensyth.synthesis.datasets._files import PublishedFile
from evo_ensyth.synthesis.datasets._idx import IDX_NAMES, read_idx_dataset

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
FOLDERS = ("fashion-mnist", "fashion_mnist")
URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"
MD5 = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
FILES = tuple(PublishedFile(FOLDERS, name, md5, f"{URL}/{name}") for name, md5 in zip(IDX_NAMES, MD5, strict=True))


def load() -> Dataset:
    """60,000 samples for training and search, 10,000 for test."""
    return read_idx_dataset("fashion_mnist", CLASSES, FILES)
