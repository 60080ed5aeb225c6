"""Who is who at the least cost: the assignment problem."""

from __future__ import annotations

import numpy as np


def assign(costs: np.ndarray, alone: float) -> list[int | None]:
    """Pairs rows with columns, each at most once, so that the sum of costs is the least there is.

    The method of shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987), in rows² × columns steps.

    Args:
        costs: float (rows, columns); infinite where a pair is out of the question.
        alone: cost of a row that stays without a column.

    Returns:
        The column of each row; None where it stays alone.
    """
    rows, columns = costs.shape
    padded = np.full((rows, columns + rows), float(alone))  # a column of its own for each row to be alone with
    padded[:, :columns] = np.where(np.isfinite(costs), costs, 1e6 + abs(alone))
    potential_row, potential = np.zeros(rows), np.zeros(columns + rows)
    owner = np.full(columns + rows, -1)
    for start in range(rows):
        reach, came = np.full(columns + rows, np.inf), np.full(columns + rows, -1)
        done = np.zeros(columns + rows, bool)
        row, column, length = start, -1, 0.0
        while row >= 0:  # from the new row by the cheapest detours to a column that is free
            step = length + padded[row] - potential_row[row] - potential
            nearer = ~done & (step < reach)
            reach[nearer], came[nearer] = step[nearer], column
            column = int(np.where(done, np.inf, reach).argmin())
            length, row = float(reach[column]), int(owner[column])
            done[column] = True
        passed = done & (reach < length)
        potential_row[start] += length
        potential_row[owner[passed]] += length - reach[passed]
        potential[passed] -= length - reach[passed]
        while column >= 0:
            before = int(came[column])
            owner[column] = start if before < 0 else owner[before]
            column = before
    found: list[int | None] = [None] * rows
    for column in range(columns):
        if owner[column] >= 0 and np.isfinite(costs[owner[column], column]):
            found[owner[column]] = column
    return found
