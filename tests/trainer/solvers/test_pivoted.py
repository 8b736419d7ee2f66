"""The pivoted factorisation in double-double against numpy's solution of well-conditioned equations."""

from __future__ import annotations

import numpy as np

from lr_trainer.arithmetic.double_double import Extended
from lr_trainer.solvers.pivoted import Factor


def test_what_the_pivots_explain_is_the_solution_of_their_equations() -> None:
    columns = np.random.default_rng(3).normal(size=(20, 4)) * [1.0, 1e3, 1e-2, 7.0]
    gram = columns.T @ columns
    factor = Factor.of(Extended.of(gram), range(3))
    inside = np.ix_(factor.pivots, factor.pivots)
    expected = np.linalg.solve(gram[inside], gram[factor.pivots, 3])
    np.testing.assert_allclose(factor.explained([3]).rounded()[:, 0], expected, rtol=1e-10)
