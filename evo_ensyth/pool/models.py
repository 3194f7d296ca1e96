"""What fitted models predict: estimators of scikit-learn, and modules of PyTorch."""

import pickle
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError


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
            raise InputError(f"the model '{name}' cannot predict: {type(error).__name__}: {error}") from error
        costs["ms_per_row"].append(1000 * (time.perf_counter() - start) / max(1, len(predictions[name])))
        costs["bytes"].append(len(pickle.dumps(model)))
        if soft:
            own = np.asarray(model.classes_).tolist()
            classes = own if classes is None else classes
            if own != classes:
                raise InputError(f"the model '{name}' knows the classes {own}; the first knows {classes}.")
    return predictions, classes, costs


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
    torch: Any = import_module("torch")
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in models}
    labels: list[np.ndarray] = []
    modes = {name: model.training for name, model in models.items()}
    try:
        for model in models.values():
            model.eval()
        with torch.inference_mode():
            for batch in loader:
                if not isinstance(batch, Sequence) or len(batch) != 2:
                    raise InputError("the loader must give pairs of inputs and labels.")
                labels.append(np.asarray(batch[1]))
                for name, model in models.items():
                    logits = model(batch[0])
                    if logits.ndim != 2:
                        shape = tuple(logits.shape)
                        raise InputError(f"the model '{name}' gives shape {shape}; expected (n_samples, n_classes).")
                    chances = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)
                    outputs[name].append(chances.cpu().numpy())
    finally:
        for name, model in models.items():
            model.train(modes[name])
    parts = {name: list(model.parameters()) for name, model in models.items()}
    costs = {
        "parameters": [sum(part.numel() for part in own) for own in parts.values()],
        "bytes": [sum(part.numel() * part.element_size() for part in own) for own in parts.values()],
    }
    if not labels:
        raise InputError("the loader gives no batch.")
    return {name: np.concatenate(rows) for name, rows in outputs.items()}, np.concatenate(labels), costs
