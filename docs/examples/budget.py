"""A budget of bytes: the best ensemble of compressed networks in three megabytes, and what more would bring.

The pool holds EnSyth's 36 copies of a network for Fashion-MNIST, compressed by Net-Trim at twelve strengths.
"""

import evo_ensyth as ee

MEGABYTE = 1e6

pool = ee.load("runs/reference/fashion_mnist/predictions.npz")
print(f"{len(pool)} members of {min(pool.costs['bytes']):,.0f} to {max(pool.costs['bytes']):,.0f} bytes")

# With the bytes as an objective, the front has the best ensemble for every budget.
run = ee.search(pool, ["smoothed_error", "bytes"], budget=20_000, n_folds=0, seed=1)
for budget in (1, 3, 10):
    ensemble = run.pick(at_most={"bytes": budget * MEGABYTE})
    print(
        f"{budget:2} MB: {len(ensemble)} members of {ensemble.costs['bytes'] / MEGABYTE:.1f} MB, "
        f"errors {ensemble.error('search'):.2%} where it was chosen, {ensemble.error('test'):.2%} on new images"
    )
chosen = run.pick(at_most={"bytes": 3 * MEGABYTE})

# Where the limit is fixed, let the search look at nothing else: the sizes within three megabytes.
strict = ee.search(pool, ["smoothed_error", "n_members"], at_most={"bytes": 3 * MEGABYTE}, budget=20_000, n_folds=0)
print(strict.recommended.members, f"{strict.recommended.costs['bytes']:,.0f} bytes")
