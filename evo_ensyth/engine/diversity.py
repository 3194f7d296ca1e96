"""Diversity of an ensemble: measures of how differently its members err and predict, as sums over pairs of members.

The definitions are those of Kuncheva and Whitaker, "Measures of Diversity in Classifier Ensembles", Machine Learning
51, 2003, in the form that Wu et al. use for focal diversity ("Hierarchical Pruning of Deep Ensembles with Focal
Diversity", ACM TIST 15(1), 2024). Samples are counted once for all pairs of the pool. Evaluating an ensemble is then a
sum of these counts, whatever the number of samples.

A member that does not answer a sample is wrong there. Where labels are compared, no answer is one more label: two
members that are both silent agree.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo_ensyth.engine.kernels import pairs
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import check_fits

# Measures with a maximum of 1: True if they grow with diversity, False if they grow with likeness, as kappa does.
MEASURES = {
    "binary_disagreement": True,
    "cohen_kappa": False,
    "fleiss_kappa": False,
    "generalised_diversity": True,
    "kohavi_wolpert": True,
    "q_statistic": False,
}


@dataclass(frozen=True, eq=False)
class Diversity:
    """Diversity of the subsets of a pool on one split.

    Tables are computed on first use and kept. Measures take subsets, bool (n_subsets, n_members), none of them empty,
    and return float64 (n_subsets,): NaN for a single member, which has no pairs. No value depends on the other subsets
    of the batch.

    Attributes
    ----------
    y_pred : uint8 or uint16, (n_members, n_samples)
    y_true : same type, (n_samples,)
    n_labels : int
        All labels are below this.
    """

    y_pred: np.ndarray
    y_true: np.ndarray
    n_labels: int

    @classmethod
    def of(cls, votes: Votes) -> "Diversity":
        """Diversity on the votes of a split."""
        return cls(votes.y_pred, votes.y_true, votes.n_labels)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.y_true)

    # --- pairs ------------------------------------------------------------------------------------------------------

    @cached_property
    def errors(self) -> np.ndarray:
        """int64, (n_members,): number of samples that each member gets wrong."""
        return np.asarray(np.count_nonzero(self.y_pred != self.y_true, axis=1))

    @cached_property
    def joint_errors(self) -> np.ndarray:
        """int64, (n_members, n_members): number of samples that both get wrong; own errors on the diagonal."""
        alike = pairs.agreements(self.y_pred != self.y_true)  # both right, or both wrong
        return np.asarray((alike - self.n_samples + self.errors + self.errors[:, None]) // 2)

    @cached_property
    def disagreements(self) -> np.ndarray:
        """int64, (n_members, n_members): number of samples that exactly one of the two gets right."""
        return np.asarray(self.errors + self.errors[:, None] - 2 * self.joint_errors)

    @cached_property
    def agreements(self) -> np.ndarray:
        """int64, (n_members, n_members): number of samples on which both predict the same label, right or wrong."""
        return np.asarray(pairs.agreements(self.y_pred))

    @cached_property
    def chance(self) -> np.ndarray:
        """int64, (n_members, n_members): sum over labels of the product of how often each of the two predicts it.

        Divided by n_samples^2, this is how often they would agree by chance.
        """
        named = np.array([np.bincount(row, minlength=self.n_labels) for row in self.y_pred])
        return np.asarray(named @ named.T)

    @cached_property
    def kappas(self) -> np.ndarray:
        """float64, (n_members, n_members): Cohen's kappa of their labels; 1 if both always predict the same class."""
        beyond_chance = self.agreements * self.n_samples - self.chance
        return _ratio(beyond_chance, self.n_samples**2 - self.chance, otherwise=1.0)

    @cached_property
    def q_statistics(self) -> np.ndarray:
        """float64, (n_members, n_members): Yule's Q of being right.

        Q is 0 where it would be 0/0, for example because one of the two is never wrong: as far as the samples show,
        whether one is right is then independent of whether the other is.
        """
        second_wrong = self.errors - self.joint_errors  # and the first is right
        both_right = self.n_samples - self.errors[:, None] - second_wrong
        alike, unlike = both_right * self.joint_errors, second_wrong * second_wrong.T
        return _ratio(alike - unlike, alike + unlike, otherwise=0.0)

    # --- ensembles --------------------------------------------------------------------------------------------------

    def binary_disagreement(self, subsets: np.ndarray) -> np.ndarray:
        """Share of samples on which exactly one of a pair is right, averaged over the pairs."""
        return self._mean(self.disagreements, subsets) / self.n_samples

    def double_fault(self, subsets: np.ndarray) -> np.ndarray:
        """Share of samples on which both of a pair are wrong, averaged over the pairs."""
        return self._mean(self.joint_errors, subsets) / self.n_samples

    def q_statistic(self, subsets: np.ndarray) -> np.ndarray:
        """Q statistic, averaged over the pairs."""
        return self._mean(self.q_statistics, subsets)

    def cohen_kappa(self, subsets: np.ndarray) -> np.ndarray:
        """Cohen's kappa, averaged over the pairs."""
        return self._mean(self.kappas, subsets)

    def fleiss_kappa(self, subsets: np.ndarray) -> np.ndarray:
        """Fleiss' kappa of the labels: agreement beyond chance; 1 if all members always predict the same class."""
        size = np.count_nonzero(subsets, axis=1)
        answers = (size * self.n_samples) ** 2
        by_chance = subsets @ self.chance.diagonal() + 2 * pairs.pair_sums(self.chance, subsets)
        alike = self._mean(self.agreements, subsets) * size**2 * self.n_samples
        return np.where(size > 1, _ratio(alike - by_chance, answers - by_chance, otherwise=1.0), np.nan)

    def kohavi_wolpert(self, subsets: np.ndarray) -> np.ndarray:
        """Kohavi-Wolpert variance: mean over samples of l (L - l) / L^2, where l of the L members are right."""
        size = np.count_nonzero(subsets, axis=1)
        variance = pairs.pair_sums(self.disagreements, subsets) / (size**2 * self.n_samples)
        return np.where(size > 1, variance, np.nan)

    def generalised_diversity(self, subsets: np.ndarray) -> np.ndarray:
        """One minus the probability that a second member is wrong where a first one is; NaN if no member ever errs."""
        one_wrong = subsets @ self.errors / np.count_nonzero(subsets, axis=1)
        return 1 - _ratio(self._mean(self.joint_errors, subsets), one_wrong)

    def focal(self, measure: str, subsets: np.ndarray) -> np.ndarray:
        """Measure each ensemble on the samples that one of its members gets wrong, averaged over its members.

        Members that never err have no such samples and are left out of the mean.

        Parameters
        ----------
        measure : str
            One of `MEASURES`. Some say less in this form than others: the Q statistic is 0/0 for all pairs with the
            focal member, and kappa counts two members as different if both are always wrong but with different labels.
        subsets : bool, (n_subsets, n_members)

        Raises
        ------
        InputError
            The pool is too large: counts for all triples of members do not fit in memory.
        """
        total, n_focal = np.zeros(len(subsets)), np.zeros(len(subsets))
        for member, where_it_errs in enumerate(self._in_focus):
            if where_it_errs.n_samples:
                rows = np.flatnonzero(subsets[:, member])
                total[rows] += getattr(where_it_errs, measure)(subsets[rows])
                n_focal[rows] += 1
        return _ratio(total, n_focal)

    def likeness(self, measure: str, subsets: np.ndarray, focal: bool = False) -> np.ndarray:
        """Express a measure so that small values mean diverse members, and 1 means identical ones.

        Parameters
        ----------
        measure : str
            One of `MEASURES`; those that grow with diversity are subtracted from 1.
        subsets : bool, (n_subsets, n_members)
        focal : bool
            Whether to use its focal form.

        Returns
        -------
        float64, (n_subsets,)
            Always finite: 1 where the measure is undefined, as for a single member.
        """
        values = self.focal(measure, subsets) if focal else getattr(self, measure)(subsets)
        grows_with_diversity = MEASURES[measure]
        return np.asarray(np.nan_to_num(1 - values if grows_with_diversity else values, nan=1.0))

    @cached_property
    def _in_focus(self) -> list["Diversity"]:
        """For each member, the diversity on the samples that it gets wrong."""
        n_members = len(self.y_pred)
        size = n_members * (int(self.errors.sum()) * self.y_pred.itemsize + 8 * n_members**2)
        check_fits(f"what the focal diversity of {n_members} members counts", size)
        wrong = self.y_pred != self.y_true
        return [Diversity(np.compress(w, self.y_pred, axis=1), self.y_true[w], self.n_labels) for w in wrong]

    def _mean(self, table: np.ndarray, subsets: np.ndarray) -> np.ndarray:
        """Mean of a table over the pairs of each subset."""
        size = np.count_nonzero(subsets, axis=1)
        return _ratio(pairs.pair_sums(table, subsets), size * (size - 1) // 2)


def _ratio(part: np.ndarray, whole: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Divide; ``otherwise`` where the divisor is zero."""
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, otherwise), where=whole != 0))
