"""Files of weights in the form of safetensors, which may come from anyone: their headers are measured before parsing.

The library takes seconds for a few megabytes of header, such as that of 300,000 empty tensors.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from evo_ensyth.files import read_checked

LENGTH = 8  # bytes that say how long the header is
LARGEST_HEADER = 2**20  # a tensor takes about a hundred bytes of it, a network has at most some thousand tensors
Content = TypeVar("Content")


def read_weights(path: Path, digest: str, load: Callable[[bytes], Content]) -> Content:
    """Read the content of a file, such as its tensors by their names.

    Parameters
    ----------
    path : Path
    digest : str
        SHA-256 that the file has to have.
    load : callable
        Of safetensors, for NumPy or torch.

    Raises
    ------
    InputError
        The file is missing, has other content, or is no file of weights.
    """

    def parse(content: bytes) -> Any:
        n_header = int.from_bytes(content[:LENGTH], "little")
        if n_header > LARGEST_HEADER:
            raise ValueError(f"its header says that it has {n_header:,} bytes; {LARGEST_HEADER:,} at most are read")
        return load(content)

    found: Content = read_checked(path, digest, parse)
    return found
