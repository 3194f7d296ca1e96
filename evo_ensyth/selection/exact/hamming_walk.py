"""Enumerate all subsets of the last 15 members: a walk over the words of a Hamming code and their neighbours."""

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set
from evo_ensyth.engine.kernels.compiler import inlined, leaf
from evo_ensyth.selection.exact.enumeration import errors_after, errors_now, one_short, vote
from evo_ensyth.selection.exact.layout import ALL, ZERO, flip, lay_out, lay_out_votes, members_from

# The Hamming code of 15 bits: check bits at positions 1, 2, 4 and 8, message bits at the others.
CUBE = 15
MESSAGE_BITS = 11
MESSAGE_PLACE = (3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15)


@inlined
def walk_cube(
    pairs, n_samples, chosen, n_chosen, first, n_members, lo, hi, lost, limits, reached, space, subsets, counted
):
    """Evaluate all ways to add any of the last `CUBE` members, for a total of ``lo`` to ``hi`` members.

    Every set of 15 bits is a word of the Hamming code or one flip away from exactly one. So the walk visits the 2^11
    code words, with one vote from word to word and up to four for the check bits, and evaluates each together with its
    15 neighbours. Where it finds something better, it lowers the limits by size and writes the subset.
    """
    n_words = chosen.size
    n_slots = lay_out(pairs, n_samples, members_from(first, n_members, n_words, np.full(n_words, ALL)), ZERO, space)
    slots, wrong = space.slots, space.wrong
    width = slots[n_slots]
    lay_out_votes(space, n_words, first, CUBE, width)
    levels, votes = space.levels, space.votes
    # Row ZERO + j of a level marks margins of at least j. Level 0 is the state before any votes, level 1 + d that after
    # the vote of message bit d, and the last four levels those after the check bits.
    level_size = (2 * ZERO + 1) * width
    for j in range(2 * ZERO + 1):
        for word in range(width):
            levels[j * width + word] = space.lanes[2 * n_words, word, j]
    level_of = np.zeros(MESSAGE_BITS + 1, np.int64)
    # Votes from one code word to the next: level before, level after, member.
    cast = np.zeros((5, 3), np.int64)
    for i in range(CUBE):
        space.asked[0, i] = True
    for message in range(1 << MESSAGE_BITS):
        # Counting up sets one bit and clears those after it.
        depth = MESSAGE_BITS - 1
        while depth > 0 and message >> (MESSAGE_BITS - 1 - depth) & 1 == 0:
            depth -= 1
        n_cast = np.int64(0)
        if message:
            cast[0, 0], cast[0, 1], cast[0, 2] = level_of[depth], depth + 1, MESSAGE_PLACE[depth] - 1
            n_cast = np.int64(1)
            for d in range(depth, MESSAGE_BITS):
                level_of[d + 1] = depth + 1
        word_bits, checks = np.int64(0), np.int64(0)
        for d in range(MESSAGE_BITS):
            if message >> (MESSAGE_BITS - 1 - d) & 1:
                word_bits |= 1 << (MESSAGE_PLACE[d] - 1)
                checks ^= MESSAGE_PLACE[d]
        level = level_of[MESSAGE_BITS]
        for check in range(4):
            if checks >> check & 1:
                i = (1 << check) - 1
                word_bits |= 1 << i
                cast[n_cast, 0], cast[n_cast, 1], cast[n_cast, 2] = level, MESSAGE_BITS + 1 + check, i
                n_cast += 1
                level = MESSAGE_BITS + 1 + check
        for c in range(n_cast):
            most = CUBE + 1 - cast[c, 1]  # votes still to come, and a flip
            before = cast[c, 0] * level_size + (ZERO - most - 1) * width
            after = cast[c, 1] * level_size + (ZERO - most) * width
            i = cast[c, 2]
            vote(levels, before, after, 2 * most + 1, width, votes, i * width, (CUBE + i) * width)
        size = n_chosen + np.int64(bits_set(np.uint64(word_bits)))
        if size + 1 < lo or size - 1 > hi:
            continue
        low = level * level_size + (ZERO - 1) * width
        errors = lost + errors_now(levels, low + width, slots, n_slots, wrong)
        if errors - one_short(levels, low, slots, n_slots, wrong) >= limits[max(size - 1, lo)]:
            continue
        counted[0] += CUBE + 1
        if lo <= size <= hi and errors < limits[size]:
            note(limits, reached, subsets, size, errors, chosen, word_bits, first, n_members)
        for i in range(CUBE):
            space.leaving[i] = word_bits >> i & 1
        errors_after(levels, low, votes, space.leaving, space.asked, 0, 0, CUBE, slots, n_slots, space.errors)
        for i in range(CUBE):
            other = size + 1 - 2 * space.leaving[i]
            errors = lost + space.errors[i]
            if lo <= other <= hi and errors < limits[other]:
                note(limits, reached, subsets, other, errors, chosen, word_bits ^ (1 << i), first, n_members)


@leaf
def note(limits, reached, subsets, size, errors, chosen, word_bits, first, n_members):
    """Record a better subset of a size, and lower the limits of this size and all larger ones."""
    reached[size] = errors
    for larger in range(size, n_members + 1):
        limits[larger] = min(limits[larger], errors)
    for w in range(chosen.size):
        subsets[size, w] = chosen[w]
    for i in range(CUBE):
        if word_bits >> i & 1:
            flip(subsets, size, first + i)
