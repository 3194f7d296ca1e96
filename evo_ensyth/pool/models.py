"""What fitted models predict: estimators of scikit-learn, and modules of PyTorch."""

import pickle
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import unknown
from evo_ensyth.pool.classes import Classes, plain_label


def named_models(models: Any) -> dict[str, Any]:
    """Models by name: of a mapping, or of a sequence of models or of pairs of name and model.

    Raises
    ------
    InputError
        There is no model, or two have one name.
    """
    if isinstance(models, Mapping):
        pairs = [(str(name), model) for name, model in models.items()]
    else:
        pairs = [pair if isinstance(pair, tuple) else ("", pair) for pair in models]
    if not pairs:
        raise InputError("there is no model; give at least one.")
    width = len(str(len(pairs) - 1))
    found = {name or f"{type(model).__name__}-{i:0{width}}": model for i, (name, model) in enumerate(pairs)}
    if len(found) < len(pairs):
        raise InputError("two models have one name; give each a name of its own.")
    return found


def estimator_predictions(
    models: Mapping[str, Any], inputs: Any
) -> tuple[dict[str, np.ndarray], list[Any] | None, dict[str, list[float]]]:
    """Predictions of fitted estimators, the classes of the columns if they are probabilities, and costs.

    Probabilities where all estimators give them, otherwise labels. Costs are ``ms_per_row``, the time of this call, and
    ``bytes``, the size of the pickled estimator.

    Raises
    ------
    InputError
        An estimator is not fitted, or knows other classes than the first.
    """
    soft = all(hasattr(model, "predict_proba") for model in models.values())
    predictions, classes = {}, None
    costs: dict[str, list[float]] = {"ms_per_row": [], "bytes": []}
    for name, model in models.items():
        start = time.perf_counter()
        try:
            predictions[name] = np.asarray(model.predict_proba(inputs) if soft else model.predict(inputs))
        except Exception as error:
            raise _cannot_predict(name, error) from error
        costs["ms_per_row"].append(1000 * (time.perf_counter() - start) / max(1, len(predictions[name])))
        costs["bytes"].append(len(pickle.dumps(model)))
        if soft:
            own = np.asarray(model.classes_).tolist()
            classes = own if classes is None else classes
            if own != classes:
                raise InputError(f"the model '{name}' knows the classes {own}; the first knows {classes}.")
    return predictions, classes, costs


def answer_of(name: str, model: Any, inputs: Any, classes: Classes, *, scores: bool) -> np.ndarray:
    """Ask one fitted model about new samples.

    Parameters
    ----------
    name : str
        Of the model, for messages.
    model : estimator, module or function
        An estimator with ``predict``, and ``predict_proba`` if there must be ``scores``; a module of PyTorch that gives
        logits; a function of the inputs that returns labels or probabilities.
    inputs
    classes : tuple of n_classes labels
        Of the pool; empty where they are not known.
    scores : bool
        Whether there must be probabilities.

    Returns
    -------
    labels, (n_samples,), or probabilities, (n_samples, n_classes)
        Columns in the order of ``classes``; 0 for classes that an estimator does not know.

    Raises
    ------
    InputError
        The model cannot predict these samples, or knows a class that is not among the classes.
    """
    method = "predict_proba" if scores else "predict"
    is_module, is_estimator = hasattr(model, "state_dict"), hasattr(model, "predict")
    if is_estimator and not hasattr(model, method):
        raise InputError(f"the model '{name}' has no {method}, and this vote adds probabilities.")
    try:
        if is_module:
            with _evaluating([model]) as torch:
                found = _chances(name, model(inputs), torch)
        else:
            found = np.asarray(getattr(model, method)(inputs) if is_estimator else model(inputs))
    except InputError:
        raise
    except Exception as error:
        raise _cannot_predict(name, error) from error
    if not is_estimator or is_module:
        return found
    if not scores:
        return found.ravel()  # some libraries give a column
    own = [plain_label(label) for label in np.asarray(model.classes_).tolist()]
    if not classes or own == list(classes):
        return found
    places = {str(label): place for place, label in enumerate(classes)}
    for label in own:
        if str(label) not in places:
            raise unknown(f"class of the model '{name}' in this pool", str(label), places)
    columns = np.zeros((len(found), len(classes)), found.dtype)
    columns[:, [places[str(label)] for label in own]] = found
    return columns


def module_predictions(
    models: Mapping[str, Any], loader: Iterable[Any]
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, list[int]]]:
    """Probabilities of torch modules on the batches of a loader, its labels, and costs ``parameters`` and ``bytes``.

    Modules are put into evaluation mode while they predict. Outputs are logits, one per class, or one for two classes.

    Raises
    ------
    InputError
        A batch is no pair of inputs and labels, or an output is no matrix.
    """
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in models}
    labels: list[np.ndarray] = []
    with _evaluating(list(models.values())) as torch:
        for batch in loader:
            if not isinstance(batch, Sequence) or len(batch) != 2:
                raise InputError("the loader must give pairs of inputs and labels.")
            labels.append(np.asarray(batch[1]))
            for name, model in models.items():
                outputs[name].append(_chances(name, model(batch[0]), torch))
    parts = {name: list(model.parameters()) for name, model in models.items()}
    costs = {
        "parameters": [sum(part.numel() for part in own) for own in parts.values()],
        "bytes": [sum(part.numel() * part.element_size() for part in own) for own in parts.values()],
    }
    if not labels:
        raise InputError("the loader gives no batch.")
    return {name: np.concatenate(rows) for name, rows in outputs.items()}, np.concatenate(labels), costs


@contextmanager
def _evaluating(modules: Sequence[Any]) -> Iterator[Any]:
    """Put modules into evaluation mode, without gradients, while the block runs; give torch."""
    torch: Any = import_module("torch")
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.eval()
        with torch.inference_mode():
            yield torch
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def _chances(name: str, logits: Any, torch: Any) -> np.ndarray:
    """Probabilities from logits, one for each class, or one for the second of two classes."""
    if logits.ndim != 2:
        raise InputError(f"the model '{name}' gives shape {tuple(logits.shape)}; expected (n_samples, n_classes).")
    chances = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
    return np.asarray(chances.cpu().numpy())


def _cannot_predict(name: str, error: Exception) -> InputError:
    return InputError(f"the model '{name}' cannot predict: {type(error).__name__}: {error}")
