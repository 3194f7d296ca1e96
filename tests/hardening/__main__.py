"""``make harden``: the trials that are not done yet, part by part, and the table of all counts."""

import argparse
import faulthandler
import tempfile
from pathlib import Path

from hardening import commands
from hardening.all import HARNESSES
from hardening.counts import Counts, go_on, write_table


def main() -> int:
    parser = argparse.ArgumentParser(prog="make harden", description=__doc__)
    parser.add_argument("parts", nargs="*", help="names of harnesses; by default all")
    parser.add_argument("--tries", type=int, help="trials of each in all, instead of those of the long form")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time for each")
    parser.add_argument("--again", action="store_true", help="forget the counts; after a mend, for instance")
    parser.add_argument("--no-table", action="store_true", help="leave the page as it is")
    asked = parser.parse_args()
    faulthandler.enable()
    commands.PRELOADED += commands.FOR_BUILDS
    known = {harness.name: harness for harness in HARNESSES}
    if unknown := set(asked.parts) - set(known):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    fell = 0
    for name in asked.parts or known:
        if asked.again:
            Counts.forget(name)
        with tempfile.TemporaryDirectory() as folder:
            counts = go_on(known[name], Path(folder), tries=asked.tries or known[name].tries, seconds=asked.seconds)
        print(f"{name}: {counts.tried:,} tried, {counts.tried - len(counts.fell):,} held", flush=True)
        fell += len(counts.fell)
    if not asked.no_table:
        write_table(list(HARNESSES))
    return int(fell > 0)


if __name__ == "__main__":
    raise SystemExit(main())
