"""What a long-running selector keeps on disk, so that an interrupted search can resume."""

from contextlib import suppress
from pathlib import Path

from evo_ensyth.files import sweep


class Scratch:
    """A folder for the files of unfinished searches.

    Parameters
    ----------
    folder : Path
        Made when the first file is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._finished: list[Path] = []
        sweep(folder)

    def finish(self, path: Path) -> None:
        """Note that a file is not needed any more, once what was found is safe."""
        self._finished.append(path)

    def clear(self) -> None:
        """Remove the files that are not needed any more, and the folder if nothing else is in it."""
        for path in self._finished:
            path.unlink(missing_ok=True)
        self._finished.clear()
        with suppress(OSError):  # other files are in it, or it was never made
            self.folder.rmdir()
