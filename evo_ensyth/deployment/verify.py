"""Running an exported ensemble in the runtime that is installed: labels that differ, and latency."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.deployment.card import digest_of, expected_of, read_card
from evo_ensyth.deployment.timing import Timing, timings
from evo_ensyth.errors import InputError, one_line, onnx_extra
from evo_ensyth.files import check_regular

CPU = "CPUExecutionProvider"
BATCH = 100
SHOWN = 10


@dataclass(frozen=True)
class Verification:
    """What an exported ensemble did on the samples that it is verified on.

    Attributes
    ----------
    file : str
    runtime, provider : str
    n_bytes, n_samples : int
    differing : tuple of int
        Positions of the samples with another label than in the run.
    latency : mapping of batch size to Timing
        Milliseconds in one thread for batches of 1 and 100 samples.
    card : mapping
    """

    file: str
    runtime: str
    provider: str
    n_bytes: int
    n_samples: int
    differing: tuple[int, ...]
    latency: dict[int, Timing]
    card: dict[str, Any]

    @property
    def n_differing(self) -> int:
        """Number of samples with another label."""
        return len(self.differing)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        found = asdict(self)
        found["latency_ms"] = {str(batch): asdict(timing) for batch, timing in self.latency.items()}
        del found["latency"], found["differing"]
        return found | {"n_differing": self.n_differing, "differing": list(self.differing[:SHOWN])}

    def __repr__(self) -> str:
        times = ", ".join(
            f"{timing.median:.3g} ms for {batch} ({timing.low:.3g} to {timing.high:.3g})"
            for batch, timing in self.latency.items()
        )
        return (
            f"{self.file}: {self.n_differing} of {self.n_samples:,} labels differ; {self.n_bytes:,} bytes; {times}; "
            f"{self.runtime}, {self.provider.removesuffix('ExecutionProvider')}, one thread"
        )


def verify(file: str | Path, inputs: Any = None, *, provider: str = CPU) -> Verification:
    """Run an exported ensemble on every sample that it was verified on, and measure its latency.

    Parameters
    ----------
    file : str or Path
        Written by `export`.
    inputs : array, or path of a ``.npy`` file, optional
        The samples. By default the test split of the data set that the card names.
    provider : str
        Where onnxruntime computes, such as ``CUDAExecutionProvider``.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        There is no such file, it cannot be loaded, or these are other samples.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> ee.verify("digits.onnx").n_differing  # doctest: +SKIP
    0
    """
    path = Path(file)
    if not path.exists():
        raise InputError(f"{path} does not exist; write it with: evo-ensyth export RUN -o {path}")
    check_regular(path)
    return verified(path.read_bytes(), str(path), None if inputs is None else read_inputs(inputs), provider=provider)


def verified(content: bytes, file: str, inputs: np.ndarray | None = None, *, provider: str = CPU) -> Verification:
    """Verify the content of a file; parameters and errors as for `verify`."""
    session = session_of(content, file, provider)
    try:
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: the metadata are no text in UTF-8: {error}; the file was changed.") from error
    card = read_card(metadata, file)
    inputs = _checked(card, inputs, file)
    expected = expected_of(card, file)
    differing = tuple(np.flatnonzero(_labels(session, inputs, file) != expected).tolist())
    batches = {size: inputs[:size] for size in (1, BATCH)}
    calls = {str(size): lambda batch=batch: session.run(None, {"input": batch}) for size, batch in batches.items()}
    times = timings(calls, clock=time.thread_time if provider == CPU else time.perf_counter)
    latency = {size: times[str(size)] for size in batches}
    return Verification(file, runtime(), provider, len(content), len(inputs), differing, latency, card)


def _labels(session: Any, inputs: np.ndarray, file: str) -> np.ndarray:
    """Labels of all samples, (n_samples,).

    Raises
    ------
    InputError
        The file does not compute any.
    """
    batches = [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
    try:
        labels = np.concatenate([session.run(["label"], {"input": batch})[0] for batch in batches])
    except Exception as error:  # as in `session_of`
        raise InputError(f"{file} cannot be run by {runtime()}: {one_line(str(error))[:200]}") from error
    if labels.shape != inputs.shape[:1]:
        raise InputError(f"{file} gives labels of shape {labels.shape} for {len(inputs)} samples.")
    return labels


def session_of(content: bytes, file: str, provider: str = CPU) -> Any:
    """Load a model into onnxruntime, for one thread.

    Raises
    ------
    InputError
        It cannot be loaded, or the provider is not there.
    """
    with onnx_extra():
        import onnxruntime

    there: Sequence[str] = onnxruntime.get_available_providers()
    if provider not in there:
        raise InputError(f"onnxruntime has no provider '{provider}' here; it has {', '.join(there)}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Everything is in the file: nothing is read from others that it names, which lie beside nobody knows what.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        return onnxruntime.InferenceSession(content, options, providers=[provider], enable_fallback=0)
    except Exception as error:  # onnxruntime raises its own types, which differ between versions
        raise InputError(f"{file} cannot be loaded by {runtime()}: {one_line(str(error))[:200]}") from error


def read_inputs(inputs: Any) -> np.ndarray:
    """Samples from an array or a ``.npy`` file.

    Raises
    ------
    InputError
        There is no such file, or it holds something else.
    """
    if not isinstance(inputs, str | Path):
        return np.asarray(inputs)
    path = Path(inputs)
    if not path.exists():
        raise InputError(f"{path} does not exist; expected the samples as a .npy file.")
    check_regular(path)
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is no array: {error}.") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path} holds several arrays; expected a .npy file with one.")
    return found


def dataset_inputs(name: str) -> np.ndarray | None:
    """Test images of a data set of this package; None if there is none of this name."""
    from evo_ensyth.synthesis import datasets

    return datasets.load(name).test.images if name in datasets.names() else None


def _checked(card: dict[str, Any], inputs: np.ndarray | None, file: str) -> np.ndarray:
    about = card["verified_on"]
    if inputs is None:
        inputs = dataset_inputs(about["dataset"]) if about["dataset"] else None
    if inputs is None:
        raise InputError(f"{file} does not name a data set; give the samples of the {about['split']} split.")
    found = (inputs.dtype.name, list(inputs.shape), digest_of(inputs))
    wanted = (about["type"], about["shape"], about["sha256"])
    if found != wanted:
        told = [f"{kind} {tuple(shape)}, SHA-256 {digest[:12]}..." for kind, shape, digest in (wanted, found)]
        raise InputError(f"{file} was verified on other samples: {told[0]}; these are {told[1]}.")
    return inputs


def runtime() -> str:
    """Name and version of the runtime."""
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"
