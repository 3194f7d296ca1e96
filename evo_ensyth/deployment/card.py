"""The card of an exported ensemble: one JSON document in the metadata of its file."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evo_ensyth import __version__
from evo_ensyth.errors import InputError
from evo_ensyth.files import sealed, sha256, unsealed
from evo_ensyth.pool.classes import Classes
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

KEY = "evo_ensyth.card"
FORMAT = 1


def card_of(
    run: Run,
    ensemble: Ensemble,
    *,
    picked_by: str,
    labels: Classes,
    class_names: Sequence[Any],
    members: Mapping[str, str],
    origins: Mapping[str, Mapping[str, Any]],
    inputs: Mapping[str, Any],
    expected: np.ndarray,
    form: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe an ensemble as JSON values; nothing in it depends on the machine or the time.

    Parameters
    ----------
    run : Run
    ensemble : Ensemble
    picked_by : str
        The rule by which it was taken from the front.
    labels : tuple of labels
        What the file gives as ``label``.
    class_names : sequence
        What the columns of ``share`` are called.
    members : mapping of name to digest
        Of the members in the file.
    origins : mapping of name to mapping
        How they were made.
    inputs : mapping
        The samples that the file was verified on; see `described_inputs`.
    expected : int64, (n_samples,)
        Places of the labels that the ensemble gives for them.
    form : mapping
        How the file was written.
    """
    vote = ensemble.voting.to_dict() if ensemble.voting else None
    return {
        "format": FORMAT,
        "problem": run.problem,
        "labels": list(labels),
        "classes": list(class_names),
        "vote": {"rule": run.vote, "fitted": vote},
        "members": [
            {"name": name, "sha256": digest, "origin": dict(origins.get(name, {}))} for name, digest in members.items()
        ],
        "without_weight": [name for name in ensemble.members if name not in members],
        "picked_by": picked_by,
        "selector": run.front.selector,
        "seed": run.seed,
        "fingerprints": dict(run.fingerprints),
        "search_error": ensemble.error("search"),
        "test_error": None if run.n_test is None else ensemble.error("test"),
        "test_interval": None if run.n_test is None else ensemble.interval("test"),
        "n_search": run.n_search,
        "n_test": run.n_test,
        "costs": dict(ensemble.costs),
        "verified_on": {**inputs, "expected": _packed(expected)},
        "form": dict(form),
        "versions": {"evo_ensyth": __version__},
    }


def described_inputs(inputs: np.ndarray, split: str, dataset: str | None) -> dict[str, Any]:
    """Describe the samples that a file is verified on, so that others are recognised as others.

    Parameters
    ----------
    inputs : ndarray, (n_samples, ...)
    split : str
    dataset : str, optional
        Name of the package's data set whose test split they are.
    """
    about = {"split": split, "dataset": dataset, "type": inputs.dtype.name, "shape": list(inputs.shape)}
    return {**about, "sha256": digest_of(inputs)}


def digest_of(inputs: np.ndarray) -> str:
    """SHA-256 of samples."""
    return sha256(np.ascontiguousarray(inputs).tobytes())


def metadata(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the card as the metadata of a file, with the classes beside it for those who need only these."""
    compact = {"ensure_ascii": False, "allow_nan": False}
    return {KEY: json.dumps(sealed(card), **compact), "classes": json.dumps(card["classes"], **compact)}  # type: ignore[arg-type]


def read_card(found: Mapping[str, str], file: str) -> dict[str, Any]:
    """Read the card from the metadata of a file.

    Raises
    ------
    InputError
        There is none, or one of another version, or it was changed.
    """
    try:
        card = json.loads(found[KEY])
        version = card["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{file} has no card of evo_ensyth; expected a file that 'export' wrote.") from error
    if version != FORMAT:
        raise InputError(f"{file}: the card has format {version}; this version reads {FORMAT}.")
    return unsealed(f"{file}: the card", card)


def expected_of(card: Mapping[str, Any], file: str) -> np.ndarray:
    """Labels that the ensemble gives for the samples that it was verified on, (n_samples,).

    Raises
    ------
    InputError
        The card was changed.
    """
    try:
        n_samples = card["verified_on"]["shape"][0]
        content = zlib.decompressobj().decompress(base64.b64decode(card["verified_on"]["expected"]), 2 * n_samples)
        return np.array(card["labels"])[np.frombuffer(content, np.dtype("<u2"), n_samples)]
    except (KeyError, IndexError, TypeError, ValueError, zlib.error) as error:
        raise InputError(f"{file}: the card does not hold the expected labels; the file was changed.") from error


def _packed(places: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(places.astype("<u2").tobytes(), 9)).decode()
