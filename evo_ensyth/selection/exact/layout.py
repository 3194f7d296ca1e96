"""Memory layout of branch and bound: pairwise margins of the samples that are still open, as lanes of bits.

A *pair* is the true class of a sample and one rival class. Its margin, the votes for the true class minus those for the
rival, starts at -1 if the rival wins ties and at 0 otherwise. A sample is right if no margin of its pairs is below 0.
When few members are still to be chosen, only the thresholds near zero matter. So a pair takes a handful of bits, 64
samples form a word, and a vote costs three logic operations per threshold and word.

Where members have no answer for a sample, the truth has one more rival: nobody. It gets no votes, and its margin starts
at -1, so that a truth without votes is wrong.
"""

from typing import NamedTuple

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS, bits_set, room
from evo_ensyth.engine.kernels.compiler import compiled, inlined, leaf

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE = np.uint64(1)
# With this many steps, the thresholds for joining and for leaving fit in one word of 64 bits.
MOST_STEPS = 15
ZERO = 16  # the row of threshold zero: 15 votes and a flip change a margin by at most this


class Pairs(NamedTuple):
    """Pairs of all samples that some ensembles get right and others wrong.

    Attributes
    ----------
    truths, rivals : uint64, (n_pairs, n_words)
        Bit i of a row is set if member i votes for the truth, or for the rival.
    margins : int64, (n_pairs,)
        Margins before any votes: -1 if the rival wins a tie, else 0.
    starts : int64, (n_samples + 1,)
        Where the pairs of each sample begin; the strongest rival comes first.
    """

    truths: np.ndarray
    rivals: np.ndarray
    margins: np.ndarray
    starts: np.ndarray


class Space(NamedTuple):
    """Working memory of a walk. Each walk lays out its planes anew, so that their rows are contiguous."""

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


@compiled
def fill_pairs(labels, truth, n_classes, samples, pairs):
    """Write the pairs of some samples into zeroed arrays whose ``starts`` are set; nobody has label ``n_classes``."""
    n_members = labels.shape[0]
    seen = np.full(n_classes, -1, np.int64)
    pair_of = np.zeros(n_classes, np.int64)
    votes = np.zeros(n_classes + 1, np.int64)
    for place in range(samples.size):
        sample = samples[place]
        first = pairs.starts[place]
        end = first
        has_hole = False
        for member in range(n_members):
            label = labels[member, sample]
            bit = ONE << np.uint64(member % 64)
            if label == truth[sample]:
                pairs.truths[first, member // 64] |= bit
                continue
            if label == n_classes:
                has_hole = True
                continue
            if seen[label] != sample:
                seen[label] = sample
                pair_of[label] = end
                votes[end - first] = 0
                pairs.margins[end] = -1 if label < truth[sample] else 0
                end += 1
            pairs.rivals[pair_of[label], member // 64] |= bit
            votes[pair_of[label] - first] += 1
        if has_hole:
            pairs.margins[end] = -1
            votes[end - first] = 0
            end += 1
        for pair in range(first + 1, end):
            for w in range(pairs.truths.shape[1]):
                pairs.truths[pair, w] = pairs.truths[first, w]
            place_of = pair  # insertion sort: the strongest rival comes first
            while place_of > first and votes[place_of - first] > votes[place_of - 1 - first]:
                a, b = place_of, place_of - 1
                votes[a - first], votes[b - first] = votes[b - first], votes[a - first]
                pairs.margins[a], pairs.margins[b] = pairs.margins[b], pairs.margins[a]
                for w in range(pairs.rivals.shape[1]):
                    swap = pairs.rivals[a, w]
                    pairs.rivals[a, w] = pairs.rivals[b, w]
                    pairs.rivals[b, w] = swap
                place_of -= 1


@inlined
def bits_in(words, row, mask):
    """Count the bits of a row that are in a mask."""
    total = np.int64(0)
    for w in range(mask.size):
        total += np.int64(bits_set(words[row, w] & mask[w]))
    return total


@inlined
def highest(margin, n_raising, n_lowering, n, fewest, most):
    """Margin after the most favourable choice of ``fewest`` to ``most`` out of n votes."""
    if most < n_raising:
        return margin + most
    return margin + n_raising - max(0, fewest - (n - n_lowering))


@leaf
def sift(pairs, n_samples, chosen, free, n_free, fewest, most, kept):
    """Copy the pairs still open after the votes of ``chosen``, with ``fewest`` to ``most`` votes of ``free`` to come.

    Returns the number of samples they belong to, and the number of samples that any choice gets wrong.
    """
    n_kept = np.int64(0)
    n_pairs = np.int64(0)
    lost = np.int64(0)
    for sample in range(n_samples):
        begin = n_pairs
        dead = False
        for pair in range(pairs.starts[sample], pairs.starts[sample + 1]):
            margin = pairs.margins[pair] + bits_in(pairs.truths, pair, chosen) - bits_in(pairs.rivals, pair, chosen)
            up, down = bits_in(pairs.truths, pair, free), bits_in(pairs.rivals, pair, free)
            if highest(margin, up, down, n_free, fewest, most) < 0:
                dead = True
                break
            if highest(-margin, down, up, n_free, fewest, most) <= 0:
                continue
            for w in range(free.size):
                kept.truths[n_pairs, w] = pairs.truths[pair, w]
                kept.rivals[n_pairs, w] = pairs.rivals[pair, w]
            kept.margins[n_pairs] = margin
            n_pairs += 1
        if dead:
            lost += 1
            n_pairs = begin
        elif n_pairs > begin:
            kept.starts[n_kept] = begin
            n_kept += 1
    kept.starts[n_kept] = n_pairs
    return n_kept, lost


@leaf
def transpose(block):
    """Transpose 64 words in place, as a matrix of 64 x 64 bits (Warren, "Hacker's Delight", section 7-3)."""
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


@leaf
def lay_out(pairs, n_samples, free, steps, space):
    """Turn pairs into lanes of bits: members that raise or lower them, thresholds without and with all of ``free``.

    Samples with many pairs come first, so that slot d, the (d + 1)th pair of each sample, covers the first samples.
    Returns the number of slots; ``space.slots`` holds the word at which each begins.
    """
    n_words = free.size
    slots, place, lanes = space.slots, space.top, space.lanes
    most = np.int64(0)
    for n in range(place.size):
        place[n] = 0
    for sample in range(n_samples):
        n = pairs.starts[sample + 1] - pairs.starts[sample]
        place[n] += 1
        most = max(most, n)
    before = np.int64(0)
    for n in range(most, 0, -1):
        place[n], before = before, before + place[n]
    width = np.int64(0)
    for slot in range(most):
        slots[slot] = width
        end = place[slot] if slot else np.int64(n_samples)  # samples with more than `slot` pairs
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
        first = pairs.starts[sample]
        n = pairs.starts[sample + 1] - first
        at = place[n]
        place[n] += 1
        for slot in range(n):
            pair, word, lane = first + slot, slots[slot] + at // 64, at % 64
            for w in range(n_words):
                lanes[w, word, lane] = pairs.truths[pair, w]
                lanes[n_words + w, word, lane] = pairs.rivals[pair, w]
            margin = pairs.margins[pair]
            full = margin + bits_in(pairs.truths, pair, free) - bits_in(pairs.rivals, pair, free)
            low = np.uint64(min(max(margin + steps + 1, 0), n_thresholds))
            high = np.uint64(min(max(full + steps + 1, 0), n_thresholds))
            bits = ((ONE << low) - ONE) | (((ONE << high) - ONE) << np.uint64(n_thresholds))
            lanes[2 * n_words, word, lane] = bits
    for part in range(2 * n_words + 1):
        for word in range(width):
            transpose(lanes[part, word])
    return max(most, 1)


@inlined
def lay_out_votes(space, n_words, first, n, width):
    """Write two rows of bits for each of n members: pairs in which it votes for the truth, then for the rival."""
    for side in range(2):
        for i in range(n):
            lanes = side * n_words + (first + i) // 64
            for word in range(width):
                space.votes[(side * n + i) * width + word] = space.lanes[lanes, word, (first + i) % 64]


@compiled
def members_from(first, end, n_words, among):
    """Mask of the members ``first`` to ``end - 1`` that are in ``among``."""
    mask = np.zeros(n_words, np.uint64)
    for member in range(first, end):
        mask[member // 64] |= ONE << np.uint64(member % 64)
    for w in range(n_words):
        mask[w] &= among[w]
    return mask


@leaf
def flip(masks, row, member):
    """Add a member to a mask, or remove it."""
    masks[row, member // 64] ^= ONE << np.uint64(member % 64)


@compiled
def empty_like(pairs, n_samples):
    """Allocate pairs for the first ``n_samples`` samples of some pairs."""
    n = pairs.starts[n_samples]
    shape = (n, pairs.truths.shape[1])
    return Pairs(
        np.empty(shape, np.uint64), np.empty(shape, np.uint64), np.empty(n, np.int64), np.empty(n_samples + 1, np.int64)
    )


@inlined
def make_space(n_pairs, n_words, n_members, most_pairs):
    """Allocate working memory for walks over up to ``n_pairs`` pairs."""
    width = (n_pairs // (64 * WORDS) + most_pairs + 1) * WORDS
    steps = MOST_STEPS
    # in the order of the fields of `Space`: numba takes no keyword arguments here
    return Space(
        np.empty((2 * n_words + 1, width, 64), np.uint64),
        room(2 * n_members * width // WORDS),
        room(16 * (2 * ZERO + 1) * width // WORDS),
        room(steps * width // WORDS),
        room(width // WORDS),
        np.zeros(most_pairs + 2, np.int64),
        np.zeros(n_members, np.int64),
        np.zeros(n_members, np.int64),
        np.zeros((steps, n_members), np.int64),
        np.ones((steps, n_members), np.bool_),
        np.zeros(max(steps, most_pairs + 1), np.int64),
        np.zeros(steps, np.int64),
        np.zeros(steps + 1, np.int64),
        np.zeros(steps + 1, np.int64),
        np.zeros(steps, np.int64),
        np.zeros(steps, np.int64),
    )
