"""EnSyth's backward elimination against a search: on the samples that chose, and on new ones.

Backward elimination drops the least accurate member again and again, until one is left. It looks at as many ensembles
as there are members; a search looks at thousands. Is what the search finds really better, or only luckier?
"""

import evo_ensyth as ee

pool = ee.load("runs/reference/fashion_mnist_mixed/predictions.npz")
majority = ee.voting.Plurality(ties="lowest")  # the vote of the paper
run = ee.search(pool, baselines=["backward_elimination"], vote=majority, budget=20_000, n_folds=0, seed=1)
(backward,) = run.baselines

print("members     backward elimination     search")
for size in (1, 2, 4, 8):
    cells = []
    for front in (backward, run.front):
        best = min((each for each in front if len(each) <= size), key=lambda each: each.error("search"))
        cells.append(f"{best.error('search'):.2%}, on new {best.error('test'):.2%}")
    print(f"at most {size:2}  {cells[0]:23}  {cells[1]}")

# The recommended ensemble beside as many of the best members, which is what backward elimination leaves: the difference
# of the errors on new images in points, with its 95 % interval.
print(len(run.recommended), "members:", run.recommended.comparisons["best_k"])

# The same recommendation from backward elimination alone, and both fronts in one table.
other = ee.search(pool, selector="backward_elimination", baselines=[], vote=majority, n_folds=0)
print(ee.compare([run, other]))
