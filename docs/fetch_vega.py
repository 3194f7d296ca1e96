"""Fetch Vega-Lite, which draws the charts of the page, into the package: make vega.

    python docs/fetch_vega.py

Every package has one version and one hash, npm fetches it, and nothing of it is run here. Three scripts become one
compressed file, beside the licences of all that they contain.
"""

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "evo_ensyth" / "report" / "web"

# Name and version of each package, the script that is taken of it, and the SHA-256 of what npm fetches.
SCRIPTS = {
    "vega@6.4.0": (
        "build/vega.min.js",
        "3521fb6ff68a94a40323954f0ba4484ba4014b157bfd37f89a3b063082320c42",
    ),
    "vega-lite@6.5.0": (
        "build/vega-lite.min.js",
        "811230a6bfd2cdbfc359d0c38f624a90df86657b7f251b67be88bcc4eee32b7f",
    ),
    "vega-embed@7.3.0": (
        "build/vega-embed.min.js",
        "d9a958ced3240f0418df7d5e12e97dba6e63cecda15b8403e47a0db7eb6ea859",
    ),
}
# Packages of other authors that those scripts contain.
CONTAINED = {
    "d3@7.9.0": "7e36605710a2ba54846797c8c6d888911341b215ae53257dc32a49a0b824355e",
    "topojson-client@3.1.0": "889fadb422f6236d0f8337a236ce6499f258b75e44b81733b13bd971067322bf",
    "delaunator@5.0.1": "6b30e6cf0aa49bf7882a3fb6dd2b5d3c33478d3693356d8a74a88f65df411f55",
    "fast-json-patch@3.1.1": "928a1fc52f0ab766ab8406bf9798afebb5c4d24eb1bc8652c36a6850831e6dee",
    "json-stringify-pretty-compact@4.0.0": ("f15336163c9de2e2d9b820516be061235f4eed93a0a4d5bc9593700799c25f4f"),
    "semver@7.8.5": "d85045d4300d7d57c891336b95df532e73f34c22ffcd222452b6d08b9d127d5d",
}


def fetched(package: str, digest: str, folder: Path) -> tarfile.TarFile:
    """Let npm fetch a package, and open it if it is the one that the hash names."""
    subprocess.run(["npm", "pack", "--silent", package, "--pack-destination", folder], check=True)  # noqa: S603, S607
    path = folder / (package.replace("@", "-") + ".tgz")
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise SystemExit(f"{package} is not what it was: its SHA-256 differs.")
    return tarfile.open(path)


def text(archive: tarfile.TarFile, name: str) -> str:
    """Read one file of a package."""
    names = {member.name.lower(): member for member in archive.getmembers()}
    file = archive.extractfile(names[f"package/{name}".lower()])
    assert file is not None
    return file.read().decode().strip()


def main() -> None:
    """Write ``vega.js.gz`` and ``LICENSES.txt``."""
    scripts, licences = [], []
    with tempfile.TemporaryDirectory() as folder:
        for package, (script, digest) in SCRIPTS.items():
            with fetched(package, digest, Path(folder)) as archive:
                scripts.append(text(archive, script))
                licences.append(f"{package}\n\n{text(archive, 'LICENSE')}")
        for package, digest in CONTAINED.items():
            with fetched(package, digest, Path(folder)) as archive:
                names = {member.name.lower() for member in archive.getmembers()}
                name = next(name for name in ("LICENSE", "LICENSE.txt") if f"package/{name}".lower() in names)
                licences.append(f"{package}, part of the above\n\n{text(archive, name)}")
    joined = "\n;\n".join(scripts) + "\n"
    # A comment that names a map would make a browser with open developer tools look for it.
    joined = "\n".join(line for line in joined.splitlines() if not line.startswith("//# sourceMappingURL="))
    (FOLDER / "vega.js.gz").write_bytes(gzip.compress(joined.encode(), mtime=0))
    (FOLDER / "LICENSES.txt").write_text(f"\n\n{'-' * 80}\n\n".join(licences) + "\n")


if __name__ == "__main__":
    main()
