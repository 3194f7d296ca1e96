"""What the models of an AutoGluon predictor predict: out-of-fold or validation scores, test scores, and times."""

from typing import Any

import numpy as np

from evo_ensyth.errors import InputError

# Combines the other models; its members are in the pool themselves.
WEIGHTED = "WeightedEnsemble"


def member_models(predictor: Any) -> list[str]:
    """Names of the models with out-of-fold or validation scores of their own, in the order of fitting.

    Left out are weighted ensembles, and models that were fitted again to all rows.

    Raises
    ------
    InputError
        The predictor is of another problem than classification, or there is no such model.
    """
    if not getattr(predictor, "can_predict_proba", False):
        kind = getattr(predictor, "problem_type", type(predictor).__name__)
        raise InputError(f"the predictor gives no probabilities of classes: it is for {kind}.")
    again = set(predictor.model_refit_map().values())
    names = [str(name) for name in predictor.model_names(can_infer=True)]
    found = [name for name in names if name not in again and not name.startswith(WEIGHTED)]
    if not found:
        raise InputError(f"the predictor has no model beside {', '.join(names) or 'nothing'}.")
    return found


def predictor_predictions(
    predictor: Any, models: list[str], data: Any = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Probabilities of some models, (n_samples, n_classes) for each, and the true classes.

    Parameters
    ----------
    predictor : TabularPredictor
    models : list of str
    data : data frame, optional
        Of pandas, with the label. By default the rows that AutoGluon validated on: out-of-fold or held out.

    Raises
    ------
    InputError
        The data have no label, or AutoGluon cannot predict them.
    """
    if data is None:
        split = "val" if predictor.has_val else "train"
        truth = predictor.transform_labels(predictor.load_data_internal(split, return_X=False)[1], inverse=True)
    elif predictor.label not in data.columns:
        raise InputError(f"the test data have no column '{predictor.label}' with the true classes.")
    else:
        truth = data[predictor.label]
    try:
        frames = predictor.predict_proba_multi(data, models=models)
    except Exception as error:  # AutoGluon raises nearly anything
        raise InputError(f"the predictor cannot predict: {type(error).__name__}: {error}") from error
    index = frames[models[0]].index
    if not index.equals(truth.index):
        truth = truth.loc[index]
    return {name: np.asarray(frames[name]) for name in models}, np.asarray(truth)


def model_times(predictor: Any, models: list[str], n_rows: int, data: Any = None) -> dict[str, list[float]]:
    """Times by AutoGluon's leaderboard, with those of the models that a stacked one needs, as costs.

    ``ms_per_row`` is the time of a prediction, on the given data or else as validated; ``fit_s`` that of fitting.
    """
    board = predictor.leaderboard(data) if data is not None else predictor.leaderboard()
    board = board.set_index("model").loc[models]
    seconds = board["pred_time_val" if data is None else "pred_time_test"]
    costs = {"ms_per_row": (1000 * seconds / n_rows).tolist(), "fit_s": board["fit_time"].tolist()}
    return {name: values for name, values in costs.items() if np.isfinite(values).all()}
