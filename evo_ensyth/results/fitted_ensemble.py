"""An ensemble together with its members as fitted models: it asks them, and they vote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.plugins import unknown
from evo_ensyth.pool.models import answer_of, named_models

if TYPE_CHECKING:
    from evo_ensyth.results.ensemble import Ensemble


@dataclass(frozen=True)
class FittedEnsemble:
    """An ensemble that asks its members itself; `Ensemble.with_members` makes it.

    Attributes
    ----------
    ensemble : Ensemble
    members : mapping of str to model
        Estimators, modules of PyTorch or functions. Others than the members of the ensemble are left out.

    Raises
    ------
    InputError
        A member of the ensemble is missing.
    """

    ensemble: "Ensemble"
    members: Mapping[str, Any]

    def __post_init__(self) -> None:
        given = named_models(self.members)
        for name in self.ensemble.members:
            if name not in given:
                raise unknown("member among these", name, given)
        object.__setattr__(self, "members", {name: given[name] for name in self.ensemble.members})

    def predict(self, X: Any) -> np.ndarray:
        """Return the label that the members vote for, for each sample; see `Ensemble.predict`.

        Parameters
        ----------
        X
            Samples, as the members take them.

        Raises
        ------
        InputError
            A member cannot predict these samples, or has no probabilities where the vote adds them.
        """
        return self.ensemble.predict(self._answers(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the share of each class in the vote; see `Ensemble.predict_proba`, and `predict` for errors."""
        return self.ensemble.predict_proba(self._answers(X))

    def _answers(self, X: Any) -> dict[str, np.ndarray]:
        classes, scores = self.ensemble.classes, self.ensemble.needs_scores
        return {name: answer_of(name, model, X, classes, scores=scores) for name, model in self.members.items()}
