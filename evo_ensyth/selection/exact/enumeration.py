"""Enumerate the ways to choose some of n candidates: depth first, one vote at a time, pruned by a bound."""

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS, load, popcount, store, zero
from evo_ensyth.engine.kernels.compiler import inlined, leaf
from evo_ensyth.selection.exact.layout import ALL, flip, lay_out, lay_out_votes, members_from

# Value of one mended sample; fractions of it are rounded up, so that bounds remain valid.
SAMPLE = 5_040
# Bounds are computed at every node as long as they prune enough, and otherwise at one in this many nodes.
NODES_UNBOUNDED = 64

# Planes of walks are flat arrays; a row is given by the index at which its ``width`` words begin. The thresholds of a
# level are consecutive rows, the lowest first.


@inlined
def held_after(levels, low, width, votes, up, down, at):
    """Pairs with a margin of at least 0 after a vote: before it at least 1, or 0 and not lowered, or -1 and raised.

    ``low`` is the row of the threshold -1; ``up`` and ``down`` are the rows of the pairs that the vote raises and
    lowers.
    """
    return (
        load(levels, low + 2 * width + at)
        | (load(levels, low + width + at) & ~load(votes, down + at))
        | (load(levels, low + at) & load(votes, up + at))
    )


@leaf
def errors_after(levels, low, votes, leaving, asked, row, first, n, slots, n_slots, errors):
    """Write the number of samples with a lost pair after one more vote, for each candidate that ``asked[row]`` marks.

    votes : uint64, (2 * n * width,)
        Pairs that each candidate raises by joining, then those that it lowers. A candidate with ``leaving[i] == 1``
        does the reverse.
    """
    width = slots[n_slots]
    n_two = slots[2] - slots[1] if n_slots > 1 else 0  # words of samples with two pairs or more
    for i in range(first, n):
        if not asked[row, i]:
            continue
        up, down = (leaving[i] * n + i) * width, ((1 - leaving[i]) * n + i) * width
        wrong = np.int64(0)
        for at in range(0, n_two, WORDS):
            held = held_after(levels, low, width, votes, up, down, at)
            for slot in range(1, n_slots):
                if at < slots[slot + 1] - slots[slot]:
                    held = held & held_after(levels, low, width, votes, up, down, slots[slot] + at)
            wrong += popcount(~held)
        for at in range(n_two, slots[1], WORDS):
            wrong += popcount(~held_after(levels, low, width, votes, up, down, at))
        errors[i] = wrong


@leaf
def errors_now(levels, middle, slots, n_slots, wrong):
    """Mark the samples with a lost pair, and count them; ``middle`` is the row of the threshold zero."""
    errors = np.int64(0)
    for at in range(0, slots[1], WORDS):
        held = load(levels, middle + at)
        for slot in range(1, n_slots):
            if at < slots[slot + 1] - slots[slot]:
                held = held & load(levels, middle + slots[slot] + at)
        store(wrong, at, ~held)
        errors += popcount(~held)
    return errors


@leaf
def one_short(levels, low, slots, n_slots, wrong):
    """Upper bound on the number of samples that a single vote could mend."""
    short = np.int64(0)
    for at in range(0, slots[1], WORDS):
        mended = load(wrong, at)
        for slot in range(n_slots):
            if at < slots[slot + 1] - slots[slot]:
                mended = mended & load(levels, low + slots[slot] + at)
        short += popcount(mended)
    return short


@leaf
def vote(levels, before, after, n_rows, width, votes, up, down):
    """Compute each threshold after a vote from three before it; ``before`` and ``after`` are the lowest rows."""
    for j in range(n_rows):
        for at in range(j * width, (j + 1) * width, WORDS):
            held = held_after(levels, before + j * width, width, votes, up, down, at - j * width)
            store(levels, after + at, held)


@inlined
def find_deficits(levels, middle, left, slots, n_slots, deficits):
    """Mark the first lost pair of each sample, in row q - 1 of ``deficits`` if it is q votes short."""
    width = slots[n_slots]
    for at in range(0, slots[1], WORDS):
        untouched = ~zero()
        for slot in range(n_slots):
            if at < slots[slot + 1] - slots[slot]:
                place = slots[slot] + at
                for q in range(1, left + 1):
                    near, nearer = (
                        load(levels, middle - q * width + place),
                        load(levels, middle - (q - 1) * width + place),
                    )
                    store(deficits, (q - 1) * width + place, near & ~nearer & untouched)
                untouched = untouched & load(levels, middle + place)


@inlined
def bound_candidates(votes, up, deficits, left, first, n, width, need, level, gains, asked, top):
    """Find which candidates can be among the ``left`` next ones that mend ``need``; return how many cannot.

    A candidate that raises a pair which is q votes short mends at most one q-th of the pair's sample, because mending
    the sample takes q such votes. So a choice mends at most the sum of its candidates' gains.
    """
    for i in range(first, n):
        gain = np.int64(0)
        for q in range(left):
            mends = np.int64(0)
            for at in range(0, width, WORDS):
                mends += popcount(load(votes, (up * n + i) * width + at) & load(deficits, q * width + at))
            gain += mends * ((SAMPLE + q) // (q + 1))
        gains[level, i] = gain
    for place in range(left - 1):
        top[place] = 0
    others = np.int64(0)  # the left - 1 largest gains among the candidates after i
    n_cut = np.int64(0)
    for i in range(n - 1, first - 1, -1):
        gain = gains[level, i]
        asked[level, i] = gain + others >= need
        n_cut += not asked[level, i]
        for place in range(left - 1):
            if gain > top[place]:
                gain, top[place] = top[place], gain
        others = np.int64(0)
        for place in range(left - 1):
            others += top[place]
    return n_cut


@leaf
def walk(up, n_slots, steps, n, lost, limit, space, counted):
    """Try all choices of ``steps`` out of n candidates; return the fewest errors if below ``limit``, else ``limit``.

    Row j of level d marks the pairs whose margin is at least ``j - (steps - d)`` after d votes.
    """
    levels, votes, deficits = space.levels, space.votes, space.deficits
    slots, wrong, pick = space.slots, space.wrong, space.pick
    gains, asked, needs = space.gains, space.asked, space.needs
    width = slots[n_slots]
    level_size = (2 * steps + 1) * width
    level = 0
    first = 0
    fresh = True
    while level >= 0:
        left = steps - level
        lowest = level * level_size
        if left == 1:
            short = needs[level - 1] - gains[level - 1, pick[level - 1]] if level else np.int64(0)
            for i in range(first, n):
                asked[level, i] = level == 0 or gains[level - 1, i] >= short
                counted[0] += asked[level, i]
            errors_after(levels, lowest, votes, space.leaving, asked, level, first, n, slots, n_slots, space.errors)
            for i in range(first, n):
                if asked[level, i] and lost + space.errors[i] < limit:
                    limit = lost + space.errors[i]
                    pick[level] = i
                    for d in range(steps):
                        space.best_pick[d] = pick[d]
            i = n
        else:
            if fresh:
                space.seen[left] += 1
                need = np.int64(0)
                if space.profit[left] >= 0 or space.seen[left] % NODES_UNBOUNDED == 0:
                    errors = lost + errors_now(levels, lowest + left * width, slots, n_slots, wrong)
                    need = (errors - limit + 1) * SAMPLE
                needs[level] = max(need, 0)
                if need > 0:
                    find_deficits(levels, lowest + left * width, left, slots, n_slots, deficits)
                    n_cut = bound_candidates(
                        votes, up, deficits, left, first, n, width, need, level, gains, asked, space.top
                    )
                    # A bound costs about a quarter of what it can save.
                    space.profit[left] = min(max(space.profit[left] + 4 * n_cut - (n - first), -64), 64)
                else:
                    for i in range(first, n):
                        gains[level, i] = 0
                        asked[level, i] = True
            i = first
            while i <= n - left and not asked[level, i]:
                i += 1
        if i > n - left:
            level -= 1
            fresh = False
            if level >= 0:
                first = pick[level] + 1
        else:
            pick[level] = i
            ups, downs = (up * n + i) * width, ((1 - up) * n + i) * width
            vote(levels, lowest, lowest + level_size, 2 * left - 1, width, votes, ups, downs)
            level += 1
            first = i + 1
            fresh = True
    return limit


@inlined
def walk_size(pairs, n_samples, chosen, first, n_members, picks, lost, limit, space, subsets, size, counted):
    """Evaluate all ways to add ``picks`` of the members from ``first`` on, and write the best below ``limit``.

    If ``picks`` is more than half of them, start with the votes of all and remove members instead: each removal takes
    back a vote.
    """
    n, n_words = n_members - first, chosen.size
    free = members_from(first, n_members, n_words, np.full(n_words, ALL))
    joining = picks <= n - picks
    steps = picks if joining else n - picks
    n_slots = lay_out(pairs, n_samples, free, steps, space)
    width = space.slots[n_slots]
    offset = 0 if joining else 2 * steps + 1
    for j in range(2 * steps + 1):
        for word in range(width):
            space.levels[j * width + word] = space.lanes[2 * n_words, word, offset + j]
    if steps == 0:
        counted[0] += 1
        errors = lost + errors_now(space.levels, 0, space.slots, n_slots, space.wrong)
    else:
        lay_out_votes(space, n_words, first, n, width)
        up = 0 if joining else 1  # a leaving member raises the pairs in which it votes for the rival
        for i in range(n):
            space.leaving[i] = up
        errors = walk(up, n_slots, steps, n, lost, limit, space, counted)
    if errors < limit:
        limit = errors
        for w in range(n_words):
            subsets[size, w] = chosen[w] if joining else chosen[w] | free[w]
        for step in range(steps):
            flip(subsets, size, first + space.best_pick[step])
    return limit
