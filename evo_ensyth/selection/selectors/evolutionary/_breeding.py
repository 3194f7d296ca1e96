"""Compiled breeding of NSGA-II, in place of a Python loop over subsets.

Plain arrays, no checks; only integers and additions in a fixed order, so that every processor gives the same front.
A *packed* subset is a row of uint64 words; bit ``i % 64`` of word ``i // 64`` is member i.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set
from evo_ensyth.engine.kernels.compiler import compiled, leaf


@leaf
def mix(word):
    """Scramble 64 bits: the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@leaf
def draw(state):
    """Next 64 random bits; ``state`` is one uint64."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return mix(state[0])


@leaf
def draw_below(state, n):
    """Draw an integer from 0 to n - 1, for n far below 2**32."""
    return np.int64((draw(state) >> np.uint64(32)) * np.uint64(n) >> np.uint64(32))


@leaf
def key_of(subset):
    """Two words as the key of a packed subset: itself up to 128 members, a 128-bit hash beyond. Never both 0."""
    if subset.size == 1:
        return subset[0], np.uint64(0)
    if subset.size == 2:
        return subset[0], subset[1]
    high, low = np.uint64(0), np.uint64(0x6A09E667F3BCC909)
    for word in subset:
        high = mix(high + word + np.uint64(0x9E3779B97F4A7C15))
        low = mix((low ^ word) * np.uint64(0xD1342543DE82EF95) + np.uint64(1))
    return high, low | np.uint64(1)


@leaf
def place_of(table, high, low):
    """Row of a key in a hash table, or the free row where it belongs."""
    mask = np.uint64(table.shape[0] - 1)
    place = mix(high ^ (low * np.uint64(0x9E3779B97F4A7C15))) & mask
    while (table[place, 0] | table[place, 1]) != 0 and (table[place, 0] != high or table[place, 1] != low):
        place = (place + np.uint64(1)) & mask
    return place


@leaf
def insert(table, high, low):
    """Insert a key into a hash table that has room; return whether it is new."""
    place = place_of(table, high, low)
    if table[place, 0] == high and table[place, 1] == low:
        return False
    table[place, 0] = high
    table[place, 1] = low
    return True


@leaf
def insert_all(table, keys):
    """Insert all keys that are not 0 into a hash table that has room."""
    for i in range(keys.shape[0]):
        if (keys[i, 0] | keys[i, 1]) != 0:
            insert(table, keys[i, 0], keys[i, 1])


@compiled
def insert_new(young, old, subsets):
    """Insert the packed subsets found in neither table into the first one; return which they are: bool, (n,)."""
    new = np.zeros(subsets.shape[0], np.bool_)
    for i in range(subsets.shape[0]):
        high, low = key_of(subsets[i])
        place = place_of(old, high, low)
        if (old[place, 0] | old[place, 1]) == 0:
            new[i] = insert(young, high, low)
    return new


@leaf
def next_competitor(state, queue, queue_at):
    """Take the next individual from a shuffled queue, reshuffled when empty, so that all compete equally often."""
    if queue_at[0] == queue.size:
        for i in range(queue.size - 1, 0, -1):
            j = draw_below(state, i + 1)
            queue[i], queue[j] = queue[j], queue[i]
        queue_at[0] = 0
    queue_at[0] += 1
    return queue[queue_at[0] - 1]


@leaf
def tournament(state, queue, queue_at, ranks, crowding):
    """Winner of two: the better rank, then the less crowded, then at random."""
    a = next_competitor(state, queue, queue_at)
    b = next_competitor(state, queue, queue_at)
    if ranks[a] != ranks[b]:
        return a if ranks[a] < ranks[b] else b
    if crowding[a] != crowding[b]:
        return a if crowding[a] > crowding[b] else b
    return a if draw(state) >> np.uint64(63) else b


@leaf
def flip(subset, member):
    """Let one member join or leave a packed subset."""
    subset[member >> 6] ^= np.uint64(1) << np.uint64(member & 63)


@leaf
def find_member(subset, nth, inside):
    """Index of the n-th member inside a packed subset, or of the n-th member outside it."""
    for word in range(subset.size):
        bits = subset[word] if inside else ~subset[word]
        n = np.int64(bits_set(bits))
        if nth >= n:
            nth -= n
            continue
        for _ in range(nth):
            bits &= bits - np.uint64(1)
        return word * 64 + np.int64(bits_set((bits & (~bits + np.uint64(1))) - np.uint64(1)))
    return -1


@leaf
def mutate(state, subset, n_members, flip_table, flipped):
    """Swap one member for another, or flip each with probability 1 / n_members, with equal probability.

    ``flip_table[i]`` is the probability, in units of 2**-64, of at most i flips; ``flipped`` is working memory for as
    many members.
    """
    size = 0
    for word in subset:
        size += np.int64(bits_set(word))
    if draw(state) >> np.uint64(63) and 0 < size < n_members:
        leaving = find_member(subset, draw_below(state, size), True)
        joining = find_member(subset, draw_below(state, n_members - size), False)
        flip(subset, leaving)
        flip(subset, joining)
    else:
        chance = draw(state)
        n_flips = 0
        while n_flips < flip_table.size and chance >= flip_table[n_flips]:
            member = draw_below(state, n_members)
            while is_among(member, flipped, n_flips):
                member = draw_below(state, n_members)
            flipped[n_flips] = member
            flip(subset, member)
            n_flips += 1
    if is_empty(subset):
        flip(subset, draw_below(state, n_members))


@leaf
def is_among(number, numbers, n):
    """Whether a number is among ``numbers[:n]``."""
    found = False
    for i in range(n):
        found |= numbers[i] == number
    return found


@leaf
def is_empty(subset):
    """Whether a packed subset has no members."""
    members = np.uint64(0)
    for word in subset:
        members |= word
    return members == 0


@compiled
def breed(
    state, queue, queue_at, population, ranks, crowding, crossover, flip_table, n_members, young, old, tries, children
):
    """Fill ``children`` with packed subsets found in neither hash table, add them to ``young`` and return their number.

    Stops early only after ``tries`` attempts per child. ``crossover`` is a probability in units of 2**-64.
    """
    brood, flipped = np.empty((2, population.shape[1]), np.uint64), np.empty(flip_table.size, np.int64)
    return fill(
        state, queue, queue_at, population, ranks, crowding, crossover, flip_table, n_members, young, old, tries,
        children, brood, flipped,
    )  # fmt: skip


@leaf
def fill(
    state, queue, queue_at, population, ranks, crowding, crossover, flip_table, n_members, young, old, tries, children,
    brood, flipped,
):  # fmt: skip
    """Breed as `breed`, with working memory for two children and for the members that flip."""
    n_words = population.shape[1]
    found, attempts = 0, tries * children.shape[0]
    while found < children.shape[0] and attempts > 0:
        a = tournament(state, queue, queue_at, ranks, crowding)
        b = tournament(state, queue, queue_at, ranks, crowding)
        for word in range(n_words):
            brood[0, word], brood[1, word] = population[a, word], population[b, word]
        if draw(state) < crossover:
            for word in range(n_words):
                exchanged = (brood[0, word] ^ brood[1, word]) & draw(state)
                brood[0, word] ^= exchanged
                brood[1, word] ^= exchanged
        for child in range(2):
            attempts -= 1
            if found == children.shape[0]:
                break
            mutate(state, brood[child], n_members, flip_table, flipped)
            high, low = key_of(brood[child])
            place = place_of(old, high, low)
            if (old[place, 0] | old[place, 1]) == 0 and insert(young, high, low):
                for word in range(n_words):
                    children[found, word] = brood[child, word]
                found += 1
    return found
