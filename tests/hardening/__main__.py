"""``make harden``: the trials that are not done yet, part by part, and the table of all counts."""

import argparse
import faulthandler
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hardening import commands
from hardening.all import HARNESSES
from hardening.counts import Counts, Harness, go_on, write_table


def main() -> int:
    parser = argparse.ArgumentParser(prog="make harden", description=__doc__)
    parser.add_argument("parts", nargs="*", help="names of harnesses; by default all")
    parser.add_argument("--tries", type=int, help="trials of each in all, instead of those of the long form")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time for each")
    parser.add_argument("--again", action="store_true", help="forget the counts; after a mend, for instance")
    parser.add_argument("--jobs", type=int, default=1, help="parts at a time, each in a process of its own")
    parser.add_argument("--no-table", action="store_true", help="leave the page as it is")
    asked = parser.parse_args()
    faulthandler.enable()
    commands.PRELOADED += commands.FOR_BUILDS
    known = {harness.name: harness for harness in HARNESSES}
    if unknown := set(asked.parts) - set(known):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    parts = asked.parts or list(known)
    if asked.jobs > 1:
        options = [f"--seconds={asked.seconds}", *([f"--tries={asked.tries}"] if asked.tries else [])]
        options += ["--again"] if asked.again else []
        command = [sys.executable, "-m", "hardening", "--no-table", *options]
        with ThreadPoolExecutor(asked.jobs) as pool:
            fell = sum(pool.map(lambda name: subprocess.run([*command, name], check=False).returncode, parts)) > 0
    else:
        fell = sum(_part(known[name], asked) for name in parts) > 0
    if not asked.no_table:
        write_table(list(HARNESSES))
    return int(fell)


def _part(harness: Harness, asked: argparse.Namespace) -> bool:
    """Do the trials of one harness; whether one fell."""
    if asked.again:
        Counts.forget(harness.name)
    with tempfile.TemporaryDirectory() as folder:
        counts = go_on(harness, Path(folder), tries=asked.tries or harness.tries, seconds=asked.seconds)
    print(f"{harness.name}: {counts.tried:,} tried, {counts.tried - len(counts.fell):,} held", flush=True)
    return bool(counts.fell)


if __name__ == "__main__":
    raise SystemExit(main())
