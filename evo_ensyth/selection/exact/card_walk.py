"""The walk of a proof on a graphics card: all subsets of the last members, by every thread of a block together.

A block takes one choice of the first members, and visits the subsets of the last ones in the order of a Gray code, so
that one vote leads from each to the next. Its threads share out the samples: each keeps the margins of its pairs as
sliced counters, 32 to a word, in two's complement, with one word per digit. A vote adds 1 where it raises a pair and
takes 1 away where it lowers it, which is two logic operations for each digit; the last digit, the sign, marks what is
lost.

Before the walk, margins are cut to what the last members can still decide, so that the counters are narrow. The number
of slots and digits is fixed when the kernel is compiled, for then all counters stay in registers.

Only `card_search` imports this, where there is a card: it imports numba's part for cards.
"""

from functools import lru_cache

import numpy as np
from numba import cuda, int64, uint32


@lru_cache(maxsize=8)
def walk_of(depths, n_members, last, lanes):
    """Compile the walk for pools of one shape.

    Parameters
    ----------
    depths : tuple of int
        Slots of each row of 32 samples a thread, see `card_search.Layout`: the pairs of its first sample.
    n_members : int
    last : int
        Members whose subsets a block visits, fewer than ``n_members``.
    lanes : int
        Threads of a block, at most 2^``last``.

    Returns
    -------
    kernel
        Of these arguments; its blocks are the choices of the members from ``first`` to the last ones:

        truths : uint32, (n_members, n_rows, lanes)
            Samples for whose truth each member votes.
        rivals : uint32, (n_members, n_slots, lanes)
            Likewise for the rival of a pair.
        lowered : uint32, (n_slots, lanes)
            Pairs whose margin starts at -1.
        chosen, first : int
            Mask of the members chosen before ``first``.
        smallest, largest : int
            Sizes to look at.
        limits : int64, (n_members + 1,)
            A choice that loses as many samples for certain is left out.
        best : int64, (n_members + 1,)
            ``errors << n_members | mask`` of the best subset by size, which the kernel lowers.
        walked : int64, (1,)
            The number of choices that were not left out, added to what is there.
    """
    n_slots, n_first = sum(depths), n_members - last
    # One loop over all slots, whose bounds are known, is unrolled; loops over the slots of each row are not.
    row_of = tuple(np.repeat(np.arange(len(depths)), depths).tolist())
    ends = tuple(row != after for row, after in zip(row_of, (*row_of[1:], -1), strict=True))  # the row's last slot
    near = last.bit_length()  # digits, without the sign, of a margin that the last members can decide
    narrow = near + 2  # digits of such a margin after their votes
    full = max((n_members + 1).bit_length() + 1, narrow)  # digits of any margin
    n_words, padded = n_slots * full, lanes + 1
    every, none = np.uint32(2**32 - 1), np.uint32(0)

    def walk(truths, rivals, lowered, chosen, first, smallest, largest, limits, best, walked):
        lane = cuda.threadIdx.x
        sums = cuda.shared.array((lanes, padded), uint32)  # one column more: lanes then read from different banks
        digits = cuda.local.array(n_words, uint32)
        mask = chosen | int64(cuda.blockIdx.x) << first
        n_chosen = cuda.popc(mask)
        if n_chosen > largest or n_chosen + last < smallest:
            return
        for slot in range(n_slots):
            for digit in range(full):
                digits[slot * full + digit] = lowered[slot, lane]
        for member in range(n_first):
            if mask >> member & 1:
                for slot in range(n_slots):
                    down = rivals[member, slot, lane]
                    moved = truths[member, row_of[slot], lane] | down
                    for digit in range(full):
                        before = digits[slot * full + digit]
                        digits[slot * full + digit] = before ^ moved
                        moved &= before ^ down  # where the digit overflows

        n_lost, lost = none, none
        for slot in range(n_slots):
            sign = digits[slot * full + full - 1]
            outside, above = none, none
            for digit in range(near, full - 1):
                outside |= digits[slot * full + digit] ^ sign
            for digit in range(near):
                cut = (digits[slot * full + digit] & ~outside) | (outside & ~sign)
                digits[slot * full + digit] = cut
                above |= cut
            digits[slot * full + near] = sign
            digits[slot * full + near + 1] = sign
            lost |= sign & ~above  # the lowest margin, which the last members cannot mend
            if ends[slot]:
                n_lost += cuda.popc(lost)
                lost = none
        sums[0, lane] = n_lost
        cuda.syncthreads()
        n_settled = int64(0)
        for other in range(lanes):
            n_settled += sums[0, other]
        cuda.syncthreads()
        if n_settled >= limits[max(n_chosen, smallest)]:
            return
        if lane == 0:
            cuda.atomic.add(walked, 0, 1)

        for batch in range((1 << last) // lanes):
            for turn in range(lanes):
                step = batch * lanes + turn
                if step:
                    bit = cuda.ffs(step) - 1
                    member = n_first + bit
                    joins = every if (step ^ step >> 1) >> bit & 1 else none
                    for slot in range(n_slots):
                        truth, rival = truths[member, row_of[slot], lane], rivals[member, slot, lane]
                        down = (rival & joins) | (truth & ~joins)
                        moved = truth | rival
                        for digit in range(narrow):
                            before = digits[slot * full + digit]
                            digits[slot * full + digit] = before ^ moved
                            moved &= before ^ down
                n_wrong, wrong = none, none
                for slot in range(n_slots):
                    wrong |= digits[slot * full + narrow - 1]
                    if ends[slot]:
                        n_wrong += cuda.popc(wrong)
                        wrong = none
                sums[turn, lane] = n_wrong
            cuda.syncthreads()
            # Each thread adds up one of the last steps, and compares it.
            errors = int64(0)
            for other in range(lanes):
                errors += sums[lane, other]
            cuda.syncthreads()
            step = batch * lanes + lane
            code = step ^ step >> 1
            size = n_chosen + cuda.popc(code)
            if smallest <= size <= largest:
                key = errors << n_members | mask | code << n_first
                if key < best[size]:
                    cuda.atomic.min(best, size, key)

    kernel = cuda.jit(walk)
    return lambda n_blocks, *arguments: kernel[n_blocks, lanes](*arguments)
