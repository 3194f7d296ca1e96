"""Compiled functions that count votes: plain contiguous arrays in, a new array out, no checks.

Their checked faces are `BitPlanes`, `SoftVotes` and `Diversity`. Kernels count whole numbers or add in a fixed order,
so that no answer depends on the number of threads. They are cut by what they count:

- ``bits``: the value that they compute in, 512 samples at once;
- ``layout``: the bit planes of a split;
- ``counting``: votes and errors of subsets;
- ``neighbours``: errors once one member has joined, left, or taken the place of another;
- ``margins``: how clearly votes are won;
- ``predictions``: the vote itself;
- ``scores``: sums of scores;
- ``pairs``: pairs of members;
- ``compiler``: how all of them are compiled, and where machine code is kept.

Kernels that serve one selector, objective or proof lie beside it, and are compiled in the same way. All of them run
without the compiler as well, in a debugger or under coverage: set ``NUMBA_DISABLE_JIT=1``.
"""
