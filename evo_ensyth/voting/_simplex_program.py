"""Convex programs whose first variables are shares: at least 0, with a sum of 1."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.errors import build_extra

if TYPE_CHECKING:
    from scipy.sparse import csc_array


@dataclass(frozen=True)
class SimplexProgram:
    """Minimise x'Px / 2 + q'x, with ``limits - rows @ x`` in a product of exponential cones.

    An exponential cone holds (a, b, c) with b exp(a / b) <= c; each takes three rows.

    Attributes
    ----------
    n_shares : int
        The first variables are shares.
    quadratic : float64 in columns, (n_variables, n_variables)
        P, which is positive semidefinite; only its upper half is used.
    linear : float64, (n_variables,)
        q.
    rows, limits : float64 in columns, (3 * n_cones, n_variables), and float64, (3 * n_cones,); optional
        Without them there are no cones.
    """

    n_shares: int
    quadratic: "csc_array"
    linear: np.ndarray
    rows: "csc_array | None" = None
    limits: np.ndarray | None = None

    def shares(self) -> np.ndarray:
        """Solve the program: float64, (n_shares,)."""
        from scipy.sparse import csc_array, vstack

        all_shares = np.eye(self.n_shares, len(self.linear))
        rows = csc_array(np.vstack([all_shares.sum(axis=0), -all_shares]))
        limits = np.array([1.0] + [0.0] * self.n_shares)
        if self.rows is not None and self.limits is not None:
            rows, limits = vstack([rows, self.rows], "csc"), np.concatenate([limits, self.limits])
        n_cones = (len(limits) - 1 - self.n_shares) // 3
        solution = self._by_clarabel(rows, limits, n_cones)
        if solution is None:
            # Clarabel sometimes fails if the optimum is at a corner; SCS is slower and less exact.
            solution = self._by_scs(rows, limits, n_cones)
        return np.asarray(np.maximum(solution[: self.n_shares], 0))

    def _by_clarabel(self, rows: "csc_array", limits: np.ndarray, n_cones: int) -> np.ndarray | None:
        with build_extra():
            import clarabel

        cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(self.n_shares)]
        cones += [clarabel.ExponentialConeT()] * n_cones
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_threads = False, 1
        solution = clarabel.DefaultSolver(self.quadratic, self.linear, rows, limits, cones, settings).solve()
        if solution.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            return None
        return np.array(solution.x)

    def _by_scs(self, rows: "csc_array", limits: np.ndarray, n_cones: int) -> np.ndarray:
        with build_extra():
            import scs

        data = {"P": self.quadratic, "A": rows, "b": limits, "c": self.linear}
        cones = {"z": 1, "l": self.n_shares, "ep": n_cones}
        return np.asarray(scs.SCS(data, cones, verbose=False, eps_abs=1e-4, eps_rel=1e-4).solve()["x"])
