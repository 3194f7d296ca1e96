"""Compiled functions that count votes: plain contiguous arrays in, a new array out, no checks.

`BitPlanes`, `Ballots` and `Diversity` check the arguments and call them. Kernels count whole numbers or
add in a fixed order, so that results do not depend on the number of threads. There is a module for each thing they
count:

- ``bits``: the type they compute with, 512 samples at once;
- ``layout``: the bit planes of a split;
- ``counting``: votes and errors of subsets;
- ``neighbours``: errors after a member joins, leaves, or replaces another;
- ``margins``: how clearly votes are won;
- ``predictions``: the vote itself;
- ``lanes``: the types that ballots are added with, 16 samples at once;
- ``ballots``: sums of ballots for subsets;
- ``moved_ballots``: sums of ballots after a member joins, leaves, or replaces another;
- ``pairs``: pairs of members;
- ``compiler``: how kernels are compiled, and where the machine code is cached.

Kernels that serve a single selector, objective or proof live next to it and are compiled in the same way. To run any
kernel without the compiler, in a debugger or under coverage, set ``NUMBA_DISABLE_JIT=1``.
"""
