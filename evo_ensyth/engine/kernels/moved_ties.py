"""Errors of all neighbours of a subset where a second sum breaks ties; see `neighbours` and `ties`.

Two pairs of tables tell, for each vote that joins or leaves, which samples are lost and which are lost or tied. Where
they differ for some move, a sample is *close*: it is judged for all movers at once, as masks of members. All other
samples are counted on the bit planes.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, largest_step, load, popcount, room, store
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import counter_bits, live_slots
from evo_ensyth.engine.kernels.lanes import LANES, above, everywhere, load_ballots, load_sums, store_sums, where
from evo_ensyth.engine.kernels.neighbours import after_move, count_slots, tabulate, take_away
from evo_ensyth.engine.kernels.second_sums import ONE, SIX, ZERO, blocks_in, chosen_of, count_voters, lead, n_below
from evo_ensyth.engine.kernels.ties import PLACE, list_bits

JOINING, LEAVING = 0, 1
ALL = ~np.uint64(0)


@compiled
def room_for_settling(first_slot, n_bits):
    """Allocate what `prepare` fills: counters, tables, ties of no rival and of all, and a level."""
    n = largest_step(first_slot)
    lost, reached = (room(n), room(n)), (room(n), room(n))
    return room(n * n_bits), lost, reached, (np.zeros(n * WORDS, np.uint64), np.empty(n * WORDS, np.uint64)), room(n)


@leaf
def close_samples(lost, reached, n_slots, close):
    """Samples that some move may bring to a tie, or to another one; ``close`` are those that are tied already."""
    for kind in range(2):
        for slot in range(0, n_slots * WORDS, WORDS):
            close = close | (load(reached[kind], slot) & ~load(lost[kind], slot))
    return close


@leaf
def prepare(counters, n_bits, lost, reached, ties, level, n_slots, n_samples):
    """Fill the tables; return the samples that are lost without a move, and those that are close.

    ``ties`` are those of no rival, and working memory for those of all. Only the first ``n_samples`` positions count.
    """
    nobody, everybody = ties
    for word in range(WORDS):
        here = min(max(n_samples - 64 * word, 0), 64)
        bits = ~np.uint64(0) >> np.uint64(64 - here) if here else np.uint64(0)
        for slot in range(n_slots):
            everybody[slot * WORDS + word] = bits
    lost_now = tabulate(counters, 0, nobody, 0, n_slots, n_bits, lost[JOINING], lost[LEAVING], level)
    reached_now = tabulate(counters, 0, everybody, 0, n_slots, n_bits, reached[JOINING], reached[LEAVING], level)
    return lost_now, close_samples(lost, reached, n_slots, reached_now & ~lost_now)


@compiled
def room_for_moves(n_masks):
    """Allocate what `judge_close` needs for one sample: moves that help a rival, moves that harm it, what is lost."""
    return np.empty(n_masks, np.uint64), np.empty(n_masks, np.uint64), np.empty(n_masks, np.uint64)


@leaf
def sort_moves(voters, row, rival, masks, helps, harms):
    """Tell which moves win a rival votes over the truth, and which lose it some; the chosen leave and others join."""
    for mask in range(np.uint64(masks.size)):
        ours, theirs, leaves = voters[row, mask], voters[rival, mask], masks[mask]
        helps[mask] = (theirs & ~leaves) | (ours & leaves)
        harms[mask] = (ours & ~leaves) | (theirs & leaves)


@leaf
def add_lost_by_labels(second, edge, ahead, helps, harms, lost):
    """Add the moves after which a rival wins, where label weights break ties; see `judge_close`."""
    if ahead == 0:  # a move that neither helps nor harms leaves the tie and its sums as they are
        for mask in range(np.uint64(lost.size)):
            lost[mask] |= helps[mask] if edge >= 0 else ~harms[mask]
    elif ahead > 0:
        n_lighter = np.uint64(n_below(second.ranked, -edge))
        for mask in range(np.uint64(lost.size)):
            lost[mask] |= ~harms[mask] | second.lightest[n_lighter, mask]
    else:
        n_no_heavier = np.uint64(n_below(second.ranked, edge + 1))
        for mask in range(np.uint64(lost.size)):
            lost[mask] |= helps[mask] & ~second.lightest[n_no_heavier, mask]


@leaf
def add_lost_by_shares(second, row, rival, edge, ahead, helps, harms, masks, lost):
    """Add the moves after which a rival wins, where shares break ties; see `judge_close`."""
    n_members, least = np.uint64(second.ranked.size), everywhere(-edge)
    for member in range(ZERO, n_members, np.uint64(LANES)):
        mask, shift = member >> SIX, member & np.uint64(63)
        ours = load_ballots(second.shares, np.int64(row * n_members + member))
        joining = ours - load_ballots(second.shares, np.int64(rival * n_members + member))
        leaving = where(np.uint16(masks[mask] >> shift), joining)
        tied_and_lost = np.uint64(above(least, joining - leaving - leaving)) << shift
        if ahead == 0:
            lost[mask] |= helps[mask] | (tied_and_lost & ~harms[mask])
        elif ahead > 0:
            lost[mask] |= ~harms[mask] | tied_and_lost
        else:
            lost[mask] |= helps[mask] & tied_and_lost


@leaf
def judge_close(second, ties, slot_0, n_slots, chosen, subset, close, places, moves, errors):
    """Add to the errors of each member the close samples of a unit that are lost once it has moved.

    A rival that is one vote behind the truth, level with it, or one ahead may be tied after a move. Then the second
    sums decide: by the lead that the truth has now, its *edge*, and what the mover adds. Rivals with a bit in ``ties``
    win if the sums are equal, too. ``close`` is cleared; ``errors`` has a multiple of 16 entries.
    """
    helps, harms, lost = moves
    masks, (blocks, listed) = chosen.masks[subset], blocks_in(chosen, subset)
    of_truth = np.uint64(slot_0 * UNIT)
    for i in range(list_bits(close, ZERO, places, ZERO)):
        place = np.uint64(places[i])
        word, bit = place >> SIX, place & np.uint64(63)
        row = of_truth + place
        lost[:] = ZERO
        for_truth = count_voters(second.voters, row, masks)
        for slot in range(1, n_slots):
            rival = row + np.uint64(slot * UNIT)
            ahead = count_voters(second.voters, rival, masks) - for_truth
            if ahead > 1:
                lost[:] = ALL
                break
            if ahead < -1:
                continue
            least = np.int64(ties[np.uint64((slot_0 + slot) * WORDS) + word] >> bit & ONE)
            edge = lead(second, row, rival, blocks, listed) - least
            sort_moves(second.voters, row, rival, masks, helps, harms)
            if second.shares.size:
                add_lost_by_shares(second, row, rival, edge, ahead, helps, harms, masks, lost)
            else:
                add_lost_by_labels(second, edge, ahead, helps, harms, lost)
        for member in range(0, errors.size, LANES):
            bits = np.uint16(lost[np.uint64(member >> 6)] >> np.uint64(member & 63))
            store_sums(errors, member, load_sums(errors, member) + where(bits, everywhere(1)))


@compiled
def subset_of(members, n_members):
    """Members by their offsets as a subset, (1, n_members); and zeros for the errors of each member of the pool."""
    subset = np.zeros((1, n_members), np.bool_)
    for member in members:
        subset[0, np.uint64(member) >> PLACE] = True
    return subset, np.zeros((n_members + LANES - 1) // LANES * LANES, np.int32)


@compiled
def settled_neighbours(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, movers, leaves, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after each mover joins or leaves; see `neighbours.neighbour_errors`."""
    errors = np.zeros(movers.size, np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level = room_for_settling(first_slot, n_bits)
    closer, places = room(1), np.empty(UNIT + 1, np.uint32)
    subset, of_close = subset_of(members, n_members)
    chosen, moves = chosen_of(subset, second.voters.shape[1]), room_for_moves(second.voters.shape[1])
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost_by_all[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        lost_now, close = prepare(counters, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT)
        store(closer, 0, close)
        judge_close(second, ties, slot_0, n_slots, chosen, 0, closer, places, moves, of_close)
        for i in range(movers.size):
            table = lost[np.int64(leaves[i])]
            errors[i] += popcount(
                after_move(words, slot_0 * stride + movers[i], stride, n_slots, table, lost_now) & ~close
            )
    for i in range(movers.size):
        errors[i] += of_close[np.uint64(movers[i]) >> PLACE]
    return errors


@compiled
def settled_swaps(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, joiners, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member; see `neighbours.swap_errors`."""
    errors = np.zeros((members.size, joiners.size), np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level = room_for_settling(first_slot, n_bits)
    fewer, closer, places = room(counters.size // WORDS), room(1), np.empty(UNIT + 1, np.uint32)
    subset, of_close = subset_of(members, n_members)
    others = np.zeros((members.size, n_members), np.bool_)
    for i in range(members.size):
        others[i] = subset[0]
        others[i, np.uint64(members[i]) >> PLACE] = False
    chosen, moves = chosen_of(others, second.voters.shape[1]), room_for_moves(second.voters.shape[1])
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost_by_all[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        for i in range(members.size):
            take_away(words, slot_0 * stride + members[i], stride, n_slots, counters, n_bits, fewer)
            lost_now, close = prepare(
                fewer, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT
            )
            store(closer, 0, close)
            of_close[:] = 0
            judge_close(second, ties, slot_0, n_slots, chosen, i, closer, places, moves, of_close)
            for j in range(joiners.size):
                at = slot_0 * stride + joiners[j]
                lost_then = after_move(words, at, stride, n_slots, lost[JOINING], lost_now)
                errors[i, j] += popcount(lost_then & ~close) + of_close[np.uint64(joiners[j]) >> PLACE]
    return errors
