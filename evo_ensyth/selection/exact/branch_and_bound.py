"""Compiled branch and bound over the subsets of a pool, for the best subset of each size."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.selection.exact.enumeration import walk_size
from evo_ensyth.selection.exact.hamming_walk import CUBE, walk_cube
from evo_ensyth.selection.exact.layout import ALL, MOST_STEPS, empty_like, flip, make_space, members_from, sift


@compiled
def best_subsets(
    pairs, fixed, n_fixed, first, n_members, lo, hi, limits, reached, subsets, binomials, branch_size, twig_size,
    most_pairs, counted, halted,
):  # fmt: skip
    """Find subsets of ``lo`` to ``hi`` members with fewer errors than ``limits[size]``, in one subtree.

    All subsets of the subtree contain the same members before ``first``: those of ``fixed``, a mask of ``n_fixed``
    members. The other members are included or excluded one by one until few subsets are left. Pairs whose outcome no
    choice can change any more are dropped twice on the way: at ``branch_size`` subsets, and where a walk over bit
    planes begins. That is at ``twig_size`` subsets of one size or, for several sizes, at the last 15 members.
    ``binomials[n, k]`` is the number of subsets of n members that have k members.

    Results go to ``reached``, errors by size, and ``subsets``, masks by size. Each result lowers the limits of its size
    and of larger ones. ``counted`` gets the number of subsets evaluated, and of those evaluated or cut off. Once
    ``halted[0]`` is set and that number is not 0, no new part of the subtree is started.
    """
    n_words = fixed.size
    everybody = np.full(n_words, ALL)
    several = hi > lo
    n_free = n_members - first
    root = empty_like(pairs, pairs.starts.size - 1)
    n_root, lost_in_root = sift(
        pairs, pairs.starts.size - 1, fixed, members_from(first, n_members, n_words, everybody), n_free,
        max(lo - n_fixed, 0), min(hi - n_fixed, n_free), root,
    )  # fmt: skip
    branch, twig = empty_like(root, n_root), empty_like(root, n_root)
    space = make_space(root.starts[n_root], n_words, max(n_free, 1), most_pairs)
    n_branch, lost_in_branch, branch_first = np.int64(0), np.int64(0), first
    # Stack of subtrees still to be searched; those that descend from the current branch are on top.
    masks = np.zeros((n_free + 2, n_words), np.uint64)
    sizes = np.zeros(n_free + 2, np.int64)
    firsts = np.zeros(n_free + 2, np.int64)
    of_branch = np.zeros(n_free + 2, np.bool_)
    for w in range(n_words):
        masks[0, w] = fixed[w]
    sizes[0], firsts[0] = n_fixed, first
    height = 1
    chosen = np.zeros(n_words, np.uint64)
    while height and not (halted[0] and counted[1]):
        height -= 1
        for w in range(n_words):
            chosen[w] = masks[height, w]
        size, start = sizes[height], firsts[height]
        n = n_members - start
        fewest, most = max(lo - size, 0), min(hi - size, n)
        if fewest > most:
            continue
        n_subsets = 2.0**n if several else binomials[n, fewest]
        in_branch = of_branch[height]
        free = members_from(start, n_members, n_words, everybody)
        if not in_branch and n_subsets <= branch_size:
            recent = members_from(first, start, n_words, chosen)
            n_branch, lost_in_branch = sift(root, n_root, recent, free, n, fewest, most, branch)
            branch_first = start
            in_branch = True
        if n == CUBE if several else n_subsets <= twig_size and min(fewest, n - fewest) <= MOST_STEPS:
            recent = members_from(branch_first, start, n_words, chosen)
            n_twig, lost = sift(branch, n_branch, recent, free, n, fewest, most, twig)
            lost += lost_in_root + lost_in_branch
            if several:
                walk_cube(
                    twig, n_twig, chosen, size, start, n_members, lo, hi, lost, limits, reached, space, subsets, counted
                )
            else:
                errors = walk_size(
                    twig, n_twig, chosen, start, n_members, fewest, lost, limits[lo], space, subsets, lo, counted
                )
                if errors < limits[lo]:
                    limits[lo] = reached[lo] = errors
            for picks in range(fewest, most + 1):
                counted[1] += np.int64(binomials[n, picks])
        else:
            for taken in range(2):
                for w in range(n_words):
                    masks[height, w] = chosen[w]
                if taken:
                    flip(masks, height, start)
                sizes[height], firsts[height], of_branch[height] = size + taken, start + 1, in_branch
                height += 1
