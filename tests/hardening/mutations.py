"""Damage to bytes, drawn by a seed: what disks, transfers, editors and enemies do to files."""

import random

EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
ENDS = 600  # bytes at the start and at the end, where headers and directories are
AT_ENDS = 0.6  # share of the damage that is done there


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy of some bytes."""
    if not content:
        return bytes([rng.randrange(256)])
    changed = bytearray(content)
    place = _place(len(content), rng)
    kind = rng.choice(("flip", "set", "truncate", "delete", "insert", "copy", "extreme"))
    length = min(rng.choice((1, 2, 4, 8, 64)), len(content) - place)
    if kind == "flip":
        changed[place] ^= 1 << rng.randrange(8)
    elif kind == "set":
        changed[place] = rng.choice((0, 10, 32, 34, 44, 255, rng.randrange(256)))
    elif kind == "truncate":
        del changed[place:]
    elif kind == "delete":
        del changed[place : place + length]
    elif kind == "insert":
        changed[place:place] = rng.randbytes(length)
    elif kind == "copy":
        source = _place(len(content), rng)
        changed[place : place + length] = content[source : source + length]
    else:
        number = rng.choice(EXTREMES).to_bytes(8, rng.choice(("little", "big")))
        changed[place : place + 8] = number
    return bytes(changed)


def _place(size: int, rng: random.Random) -> int:
    if rng.random() >= AT_ENDS:
        return rng.randrange(size)
    ends = min(ENDS, size)
    return rng.randrange(ends) if rng.random() < 0.5 else size - 1 - rng.randrange(ends)
