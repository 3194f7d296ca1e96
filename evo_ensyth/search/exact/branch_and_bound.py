"""Compiled functions of `duels`: walks over all subsets of a pool, on bit-sliced margins.

A *duel* is the truth of a sample against one rival label. Its margin, the votes for the truth less those for the
rival, starts at -1 where a tie is lost and at 0 elsewhere; a sample is right when it loses no duel. Of a margin only
the thresholds near zero matter while few members are still to choose, so that a duel is a handful of bits, 64 samples
are a word, and a vote costs three logic operations per threshold and word.

Arrays in, integers out, no checks.
"""

from typing import NamedTuple

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS, bits_set, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled, inlined

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE = np.uint64(1)
# Thresholds of both directions fill one word of 64 bits.
MOST_STEPS = 15
# What a mended sample counts; a share of it is rounded up, so that bounds stay bounds.
SAMPLE = 5_040
# Bounds are worked out at every node while they cut enough, and else at one node of so many.
NODES_UNBOUNDED = 64

# The Hamming code of 15 bits: checks at places 1, 2, 4 and 8, the message at the others.
CUBE = 15
MESSAGE_BITS = 11
MESSAGE_PLACE = (3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15)
ZERO = 16  # the row of threshold zero: 15 votes and a flip may move a margin by so much


class Duels(NamedTuple):
    """Duels of all samples that not every ensemble answers alike.

    Attributes
    ----------
    truths, rivals : uint64, (n_duels, n_words)
        Bit i of a row: member i names the truth, or the rival.
    margins : int64, (n_duels,)
        Before anybody voted: -1 where the rival wins a tie.
    starts : int64, (n_samples + 1,)
        Where the duels of each sample begin, the strongest rival first.
    """

    truths: np.ndarray
    rivals: np.ndarray
    margins: np.ndarray
    starts: np.ndarray


class Space(NamedTuple):
    """Working memory of one walk; planes are reshaped for every twig so that their rows are contiguous."""

    lanes: np.ndarray
    votes: np.ndarray
    levels: np.ndarray
    deficits: np.ndarray
    wrong: np.ndarray
    slots: np.ndarray
    leaving: np.ndarray
    errors: np.ndarray
    gains: np.ndarray
    asked: np.ndarray
    top: np.ndarray
    needs: np.ndarray
    profit: np.ndarray
    seen: np.ndarray
    pick: np.ndarray
    best_pick: np.ndarray


# --- Laying out -----------------------------------------------------------------------------------------------------


@compiled
def fill_duels(labels, truth, n_classes, samples, duels):
    """Write the duels of some samples into zeroed arrays whose ``starts`` are set."""
    n_members = labels.shape[0]
    seen = np.full(n_classes, -1, np.int64)
    duel_of = np.zeros(n_classes, np.int64)
    votes = np.zeros(n_classes + 1, np.int64)
    for place in range(samples.size):
        sample = samples[place]
        first = duels.starts[place]
        end = first
        for member in range(n_members):
            label = labels[member, sample]
            bit = ONE << np.uint64(member % 64)
            if label == truth[sample]:
                duels.truths[first, member // 64] |= bit
                continue
            if seen[label] != sample:
                seen[label] = sample
                duel_of[label] = end
                votes[end - first] = 0
                duels.margins[end] = -1 if label < truth[sample] else 0
                end += 1
            duels.rivals[duel_of[label], member // 64] |= bit
            votes[duel_of[label] - first] += 1
        for duel in range(first + 1, end):
            for w in range(duels.truths.shape[1]):
                duels.truths[duel, w] = duels.truths[first, w]
            place_of = duel  # insertion: the strongest rival comes first
            while place_of > first and votes[place_of - first] > votes[place_of - 1 - first]:
                a, b = place_of, place_of - 1
                votes[a - first], votes[b - first] = votes[b - first], votes[a - first]
                duels.margins[a], duels.margins[b] = duels.margins[b], duels.margins[a]
                for w in range(duels.rivals.shape[1]):
                    swap = duels.rivals[a, w]
                    duels.rivals[a, w] = duels.rivals[b, w]
                    duels.rivals[b, w] = swap
                place_of -= 1


@inlined
def bits_in(words, row, mask):
    """How many bits of a row lie in a mask."""
    total = np.int64(0)
    for w in range(mask.size):
        total += np.int64(bits_set(words[row, w] & mask[w]))
    return total


@inlined
def highest(margin, n_raising, n_lowering, n, fewest, most):
    """The margin that the most favourable ``fewest`` to ``most`` of n votes lead to."""
    if most < n_raising:
        return margin + most
    return margin + n_raising - max(0, fewest - (n - n_lowering))


@compiled
def sift(duels, n_samples, chosen, free, n_free, fewest, most, kept):
    """Copy the duels that are open once ``chosen`` have voted and ``fewest`` to ``most`` of ``free`` are still to vote.

    Returns how many samples they belong to, and how many samples go wrong whoever these are.
    """
    n_kept = np.int64(0)
    n_duels = np.int64(0)
    lost = np.int64(0)
    for sample in range(n_samples):
        begin = n_duels
        dead = False
        for duel in range(duels.starts[sample], duels.starts[sample + 1]):
            margin = duels.margins[duel] + bits_in(duels.truths, duel, chosen) - bits_in(duels.rivals, duel, chosen)
            up, down = bits_in(duels.truths, duel, free), bits_in(duels.rivals, duel, free)
            if highest(margin, up, down, n_free, fewest, most) < 0:
                dead = True
                break
            if highest(-margin, down, up, n_free, fewest, most) <= 0:
                continue
            for w in range(free.size):
                kept.truths[n_duels, w] = duels.truths[duel, w]
                kept.rivals[n_duels, w] = duels.rivals[duel, w]
            kept.margins[n_duels] = margin
            n_duels += 1
        if dead:
            lost += 1
            n_duels = begin
        elif n_duels > begin:
            kept.starts[n_kept] = begin
            n_kept += 1
    kept.starts[n_kept] = n_duels
    return n_kept, lost


@compiled
def transpose(block):
    """Transpose 64 words as a matrix of 64 x 64 bits, in place (Warren, "Hacker's Delight", section 7-3)."""
    half = 32
    mask = np.uint64(0x00000000FFFFFFFF)
    while half:
        shift = np.uint64(half)
        i = 0
        while i < 64:
            swap = ((block[i] >> shift) ^ block[i + half]) & mask
            block[i] ^= swap << shift
            block[i + half] ^= swap
            i = ((i | half) + 1) & ~half
        half //= 2
        mask ^= mask << np.uint64(half)


@compiled
def lay_out(duels, n_samples, free, steps, space):
    """Turn duels into lanes of bits: who raises them, who lowers them, thresholds without and with all of ``free``.

    Samples with many duels come first, so that slot d, the (d + 1)th duel of a sample, covers the first samples.
    Returns the number of slots; ``space.slots`` says at which word each begins.
    """
    n_words = free.size
    slots, place, lanes = space.slots, space.top, space.lanes
    most = np.int64(0)
    for n in range(place.size):
        place[n] = 0
    for sample in range(n_samples):
        n = duels.starts[sample + 1] - duels.starts[sample]
        place[n] += 1
        most = max(most, n)
    before = np.int64(0)
    for n in range(most, 0, -1):
        place[n], before = before, before + place[n]
    width = np.int64(0)
    for slot in range(most):
        slots[slot] = width
        end = place[slot] if slot else np.int64(n_samples)  # samples with more than `slot` duels
        width += (end + 64 * WORDS - 1) // (64 * WORDS) * WORDS
    slots[most] = width
    if most == 0:
        slots[1] = 0
    for part in range(2 * n_words + 1):
        for word in range(width):
            for lane in range(64):
                lanes[part, word, lane] = np.uint64(0) if part < 2 * n_words else ALL
    n_thresholds = 2 * steps + 1
    for sample in range(n_samples):
        first = duels.starts[sample]
        n = duels.starts[sample + 1] - first
        at = place[n]
        place[n] += 1
        for slot in range(n):
            duel, word, lane = first + slot, slots[slot] + at // 64, at % 64
            for w in range(n_words):
                lanes[w, word, lane] = duels.truths[duel, w]
                lanes[n_words + w, word, lane] = duels.rivals[duel, w]
            margin = duels.margins[duel]
            full = margin + bits_in(duels.truths, duel, free) - bits_in(duels.rivals, duel, free)
            low = np.uint64(min(max(margin + steps + 1, 0), n_thresholds))
            high = np.uint64(min(max(full + steps + 1, 0), n_thresholds))
            bits = ((ONE << low) - ONE) | (((ONE << high) - ONE) << np.uint64(n_thresholds))
            lanes[2 * n_words, word, lane] = bits
    for part in range(2 * n_words + 1):
        for word in range(width):
            transpose(lanes[part, word])
    return max(most, 1)


# --- Walking --------------------------------------------------------------------------------------------------------


# Planes of walks are flat arrays; a row is the place in them where its ``width`` words begin. Thresholds of one level
# lie one after the other, the lowest first.


@inlined
def held_after(levels, low, width, votes, up, down, at):
    """Duels that are held after a vote: none to lose, not lowered from the edge, or raised to it.

    ``low`` is the row of the threshold -1; ``up`` and ``down`` are rows of votes.
    """
    return (
        load(levels, low + 2 * width + at)
        | (load(levels, low + width + at) & ~load(votes, down + at))
        | (load(levels, low + at) & load(votes, up + at))
    )


@compiled
def errors_after(levels, low, votes, leaving, asked, row, first, n, slots, n_slots, errors):
    """Write the samples with a lost duel once one more candidate has voted, for all that ``asked[row]`` marks.

    votes : uint64, (2 * n * width,)
        Duels that somebody raises, then those that he lowers, by joining. ``leaving[i]`` is 1 for who does the reverse.
    """
    width = slots[n_slots]
    n_two = slots[2] - slots[1] if n_slots > 1 else 0  # words of samples with two duels or more
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


@compiled
def errors_now(levels, middle, slots, n_slots, wrong):
    """Mark the samples with a lost duel, and count them; ``middle`` is the row of the threshold zero."""
    errors = np.int64(0)
    for at in range(0, slots[1], WORDS):
        held = load(levels, middle + at)
        for slot in range(1, n_slots):
            if at < slots[slot + 1] - slots[slot]:
                held = held & load(levels, middle + slots[slot] + at)
        store(wrong, at, ~held)
        errors += popcount(~held)
    return errors


@compiled
def one_short(levels, low, slots, n_slots, wrong):
    """Count the samples that one vote could mend, at most."""
    short = np.int64(0)
    for at in range(0, slots[1], WORDS):
        mended = load(wrong, at)
        for slot in range(n_slots):
            if at < slots[slot + 1] - slots[slot]:
                mended = mended & load(levels, low + slots[slot] + at)
        short += popcount(mended)
    return short


@compiled
def vote(levels, before, after, n_rows, width, votes, up, down):
    """Thresholds after a vote, each from three neighbouring ones before it; ``before`` and ``after`` are the lowest."""
    for j in range(n_rows):
        for at in range(j * width, (j + 1) * width, WORDS):
            held = held_after(levels, before + j * width, width, votes, up, down, at - j * width)
            store(levels, after + at, held)


@inlined
def find_deficits(levels, middle, left, slots, n_slots, deficits):
    """Mark in row q - 1 of the deficits the lost duels that are q votes short: of each sample the first it loses."""
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
    """Find which candidates can be among the ``left`` that mend ``need``, and return how many cannot.

    Whoever raises a duel that is q votes short mends a q-th of its sample, at most: a sample is mended only if q votes
    do. So no choice mends more than its largest sums over the candidates.
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


@compiled
def walk(up, n_slots, steps, n, lost, limit, space, counted):
    """Let every ``steps`` of n candidates vote: fewest errors if below ``limit``, else ``limit``.

    Row j of level d marks duels whose margin is at least ``j - (steps - d)`` after d votes.
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
                    # A bound costs about a quarter of what it may save.
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
def lay_out_votes(space, n_words, first, n, width):
    """Rows of bits, n and again n: the duels in which each of n members names the truth, and the rival."""
    for side in range(2):
        for i in range(n):
            lanes = side * n_words + (first + i) // 64
            for word in range(width):
                space.votes[(side * n + i) * width + word] = space.lanes[lanes, word, (first + i) % 64]


@inlined
def walk_size(duels, n_samples, chosen, first, n_members, picks, lost, limit, space, subsets, size, counted):
    """Judge all ways to add ``picks`` of the members from ``first`` on, and write the best below ``limit``.

    Where most of them are wanted, all vote first, and those who are not wanted are taken out: they lower what they
    named.
    """
    n, n_words = n_members - first, chosen.size
    free = members_from(first, n_members, n_words, np.full(n_words, ALL))
    joining = picks <= n - picks
    steps = picks if joining else n - picks
    n_slots = lay_out(duels, n_samples, free, steps, space)
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
        up = 0 if joining else 1  # who leaves raises the duels in which he names the rival
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


@inlined
def walk_cube(
    duels, n_samples, chosen, n_chosen, first, n_members, lo, hi, lost, limits, reached, space, subsets, counted
):
    """Judge all ways to add any of the last `CUBE` members, ``lo`` to ``hi`` members in all.

    Every set of 15 bits is a word of the Hamming code or one flip away from exactly one. So the walk goes over the 2^11
    code words, one vote from word to word and up to four for the check bits, and judges each with its 15 neighbours.
    Limits by size are lowered, and subsets written, where something better is found.
    """
    n_words = chosen.size
    n_slots = lay_out(duels, n_samples, members_from(first, n_members, n_words, np.full(n_words, ALL)), ZERO, space)
    slots, wrong = space.slots, space.wrong
    width = slots[n_slots]
    lay_out_votes(space, n_words, first, CUBE, width)
    levels, votes = space.levels, space.votes
    # Row ZERO + j of a level marks margins of at least j. Level 1 + d follows the vote of message bit d, the last four
    # the check bits; level 0 is the state before anybody voted.
    level_size = (2 * ZERO + 1) * width
    for j in range(2 * ZERO + 1):
        for word in range(width):
            levels[j * width + word] = space.lanes[2 * n_words, word, j]
    level_of = np.zeros(MESSAGE_BITS + 1, np.int64)
    # The votes from one code word to the next: level before, level after, member.
    cast = np.zeros((5, 3), np.int64)
    for i in range(CUBE):
        space.asked[0, i] = True
    for message in range(1 << MESSAGE_BITS):
        # Counting up sets one bit, and clears those after it.
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
            most = CUBE + 1 - cast[c, 1]  # votes to come, and a flip
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


@compiled
def note(limits, reached, subsets, size, errors, chosen, word_bits, first, n_members):
    """Write down a better subset of a size; a larger one must now be better still."""
    reached[size] = errors
    for larger in range(size, n_members + 1):
        limits[larger] = min(limits[larger], errors)
    for w in range(chosen.size):
        subsets[size, w] = chosen[w]
    for i in range(CUBE):
        if word_bits >> i & 1:
            flip(subsets, size, first + i)


@compiled
def flip(masks, row, member):
    """Take a member in, or out."""
    masks[row, member // 64] ^= ONE << np.uint64(member % 64)


@compiled
def members_from(first, end, n_words, among):
    """Mask of those of some members that lie in a range."""
    mask = np.zeros(n_words, np.uint64)
    for member in range(first, end):
        mask[member // 64] |= ONE << np.uint64(member % 64)
    for w in range(n_words):
        mask[w] &= among[w]
    return mask


@compiled
def empty_like(duels, n_samples):
    """Room for the first ``n_samples`` samples of some duels."""
    n = duels.starts[n_samples]
    shape = (n, duels.truths.shape[1])
    return Duels(
        np.empty(shape, np.uint64), np.empty(shape, np.uint64), np.empty(n, np.int64), np.empty(n_samples + 1, np.int64)
    )


@inlined
def make_space(n_duels, n_words, n_members, most_duels):
    """Working memory for twigs of up to ``n_duels`` duels."""
    width = (n_duels // (64 * WORDS) + most_duels + 1) * WORDS
    steps = MOST_STEPS
    # in the order of the fields of `Space`, which numba does not take by name
    return Space(
        np.empty((2 * n_words + 1, width, 64), np.uint64),
        room(2 * n_members * width // WORDS),
        room(16 * (2 * ZERO + 1) * width // WORDS),
        room(steps * width // WORDS),
        room(width // WORDS),
        np.zeros(most_duels + 2, np.int64),
        np.zeros(n_members, np.int64),
        np.zeros(n_members, np.int64),
        np.zeros((steps, n_members), np.int64),
        np.ones((steps, n_members), np.bool_),
        np.zeros(max(steps, most_duels + 1), np.int64),
        np.zeros(steps, np.int64),
        np.zeros(steps + 1, np.int64),
        np.zeros(steps + 1, np.int64),
        np.zeros(steps, np.int64),
        np.zeros(steps, np.int64),
    )


@compiled
def best_subsets(
    duels, prefix, prefix_size, first, n_members, lo, hi, limits, reached, subsets, binomials, branch_size, twig_size,
    most_duels, counted, halted,
):  # fmt: skip
    """Search the subsets of lo to hi members that begin with a prefix for such with fewer errors than ``limits[size]``.

    The prefix settles the members before ``first``; errors are samples that lose a duel. The others are taken in or
    left out one by one, until few subsets are left. On the way, duels are dropped twice whose outcome no choice can
    change any more: where up to ``branch_size`` subsets are left, and where a walk over bit planes begins, at
    ``twig_size`` subsets of one size or at the last 15 members, for several sizes. ``binomials[n, k]`` says how many
    subsets of n have k members. What is found is written to ``reached``, errors by size, and
    ``subsets``, masks by size; it lowers the limits of its size and of larger ones. ``counted`` gets how many subsets
    were judged, and how many were judged or cut off; once ``halted[0]`` is set and there are some, no more are begun.
    """
    n_words = prefix.size
    everybody = np.full(n_words, ALL)
    several = hi > lo
    n_free = n_members - first
    root = empty_like(duels, duels.starts.size - 1)
    n_root, lost_in_root = sift(
        duels, duels.starts.size - 1, prefix, members_from(first, n_members, n_words, everybody), n_free,
        max(lo - prefix_size, 0), min(hi - prefix_size, n_free), root,
    )  # fmt: skip
    branch, twig = empty_like(root, n_root), empty_like(root, n_root)
    space = make_space(root.starts[n_root], n_words, max(n_free, 1), most_duels)
    n_branch, lost_in_branch, branch_first = np.int64(0), np.int64(0), first
    # Prefixes still to be looked at; those that descend from the present branch lie on top.
    masks = np.zeros((n_free + 2, n_words), np.uint64)
    sizes = np.zeros(n_free + 2, np.int64)
    firsts = np.zeros(n_free + 2, np.int64)
    of_branch = np.zeros(n_free + 2, np.bool_)
    for w in range(n_words):
        masks[0, w] = prefix[w]
    sizes[0], firsts[0] = prefix_size, first
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
