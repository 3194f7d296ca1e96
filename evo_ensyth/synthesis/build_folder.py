"""The folder of a pool that is being built: what is where, what was begun, what is made, and what has failed.

Besides the files of a finished pool, see `io.pool_folder`, it holds::

    recipe.json                        the claim: problem, recipe, and how each member is made
    parents/NAME-DIGEST.safetensors    the other parents, if the recipe has any
    probe.safetensors                  inputs of two samples, if a parent is a module of a user's; see `probe`
    controls/members/NAME/             controls, stored like members; the manifest lists them under ``about``
    failed.json                        what could not be made, and why; only if there is such a thing
    work/                              removed at the end:
      parent.safetensors               checkpoint of the parent's training
      parents/NAME-DIGEST.safetensors  checkpoints of the other parents' trainings
      METHOD-DIGEST/                   scratch folder of a compression method
      variants/METHOD-DIGEST/          its variants: NAME.safetensors, then NAME.json with origin and report

Every file appears whole or not at all, so whatever interrupts a build, the folder says how to continue it.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError, UnfinishedError
from evo_ensyth.files import held_folder, read_json, write_json
from evo_ensyth.io.manifest import SPLITS, check_keys
from evo_ensyth.io.pool_folder import read_member, write_manifest
from evo_ensyth.synthesis.compression import Compressor
from evo_ensyth.synthesis.recipe import Planned, Recipe
from evo_ensyth.synthesis.settings import as_json, digest

# What all members have in common. The rest of a recipe says which members there are.
COMMON = ("dataset", "n_search", "network", "training", "n_calibration", "seed", "threads")
FAILURES_SHOWN = 3


@dataclass(frozen=True)
class BuildStatus:
    """How far a pool is. Names of controls begin with ``controls/``.

    Attributes
    ----------
    made, missing : tuple of str
        What the recipe names: present, and absent for another reason than a failure.
    failed : mapping of str to str
        What could not be made at the last attempt, and why.
    closed : bool
        Whether the pool can be searched, perhaps without what has failed.
    """

    made: tuple[str, ...]
    missing: tuple[str, ...]
    failed: Mapping[str, str]
    closed: bool


@dataclass(frozen=True)
class BuildFolder:
    """The folder in which the pool of a recipe is built.

    Attributes
    ----------
    path : Path
    recipe : Recipe
    problem : str
        Name of the problem that the pool is for.
    """

    path: Path
    recipe: Recipe
    problem: str

    # The claim

    def check_claim(self) -> None:
        """Check that the recipe can be followed here: the folder is empty, or was begun in a compatible way.

        A recipe may differ from the one begun in what is not made yet: it may have more methods, or others.

        Raises
        ------
        InputError
            The folder holds something else, or was begun with another recipe.
        """
        path, claim = self.path / "recipe.json", self._claim  # The claim refuses two members of one name.
        if not path.exists():
            if self.path.exists() and any(entry.name[0] != "." for entry in self.path.iterdir()):
                raise InputError(
                    f"{self.path} has files in it but no recipe.json, so it is not a pool; name another folder."
                )
            return
        begun = read_json(path)
        check_keys(f"{path}:", begun, {"problem": str, "recipe": dict})
        if all(begun[key] == claim[key] for key in ("problem", "recipe")):
            return
        refusal = f"{self.path} was begun with another recipe; remove it, or name another folder."
        before, now = begun["recipe"], claim["recipe"]
        measured = before.get("latency")
        if (
            begun["problem"] != self.problem
            or any(before.get(name) != now[name] for name in COMMON)
            or (measured is not None and measured != now.get("latency"))
        ):
            raise InputError(refusal)
        how = begun.get("members", {})  # Earlier versions did not write it.
        changed = [path for path in self._present() if path not in how or how[path] != claim["members"].get(path)]
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise InputError(
                f"{refusal} Methods may be added; but {_title(changed[0])}{others} would now be made differently, or "
                "not at all."
            )

    def write_claim(self, kind: str | None = None) -> None:
        """Write down what the folder is for, and on which kind of device it is worked on, unless it says that."""
        path = self.path / "recipe.json"
        kinds = dict.fromkeys((*self.device_kinds(), *(() if kind is None else (kind,))))
        # Earlier versions knew the CPU only, and did not say so.
        claim = {**self._claim, **({} if list(kinds) in ([], ["cpu"]) else {"devices": list(kinds)})}
        if not path.exists() or read_json(path) != claim:
            write_json(path, claim)

    def device_kinds(self) -> tuple[str, ...]:
        """Kinds of device that members were made on so far, in order; none for a folder that is not begun."""
        path = self.path / "recipe.json"
        if not path.exists():
            return ()
        kinds = read_json(path).get("devices", ["cpu"])
        if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
            raise InputError(f"{path}: field 'devices' must be a list of names.")
        return tuple(kinds)

    def check_device(self, kind: str) -> None:
        """Check that members were made on this kind of device so far, if any were.

        Raises
        ------
        InputError
            They were made on another kind.
        """
        begun = self.device_kinds()
        if begun and kind not in begun:
            raise InputError(
                f"{self.path} was begun on the device {begun[-1]}; members made on {kind} would not be what its recipe "
                f"makes there. Name the device {begun[-1]}, or allow mixed devices (--allow-mixed)."
            )

    @contextmanager
    def claimed(self, kind: str | None = None) -> Iterator[None]:
        """Create the folder if necessary, keep other processes out of it, and remove working files at the end.

        Parameters
        ----------
        kind : str, optional
            Of the device that members are going to be made on.

        Raises
        ------
        InputError
            Another process is building here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with held_folder(self.path):
            self.write_claim(kind)  # Also for a finished pool: earlier versions wrote less.
            yield
            self._clean_up()

    # Members

    def is_made(self, member: Planned) -> bool:
        """Whether a member or control is finished."""
        return self.read(member) is not None

    def read(self, member: Planned) -> Mapping[str, Any] | None:
        """What is stored about a member or control, or None if it is not finished; see `read_member`."""
        return read_member(self.member_root(member), member.name)

    def member_root(self, member: Planned) -> Path:
        """The folder whose ``members`` folder holds a member: the pool's, or that of the controls."""
        return self.path / "controls" if member.is_control else self.path

    def weights(self, member: Planned) -> Path:
        """Weights of a member or control."""
        return self.member_root(member) / "members" / member.name / "weights.safetensors"

    # Parents

    def parent_weights(self, name: str | None) -> Path:
        """Trained weights of the pool's parent (None) or of another one."""
        return self.path / self._parent_file(name)

    def parent_checkpoint(self, name: str | None) -> Path:
        """Checkpoint of a parent's training."""
        return self.work / self._parent_file(name)

    def has_parent_predictions(self) -> bool:
        """Whether predictions of the pool's parent are stored, and the true labels, which are written before."""
        return (self.path / f"parent.{SPLITS[-1]}.labels.npy").exists()

    def _parent_file(self, name: str | None) -> str:
        # The digest tells apart parents of one name whose settings have changed.
        if name is None:
            return "parent.safetensors"
        return f"parents/{name}-{digest(self.recipe.other_parent(name))}.safetensors"

    # Working files

    @property
    def work(self) -> Path:
        """Folder of the working files."""
        return self.path / "work"

    def variants(self, member: Planned) -> Path:
        """Folder of the variants that a member's compressor makes."""
        return self.work / "variants" / self.label(member)

    def variant(self, member: Planned) -> Path:
        """Description of the variant that a member is made from; its weights are beside it."""
        return self.variants(member) / f"{member.variant}.json"

    def variants_left(self, member: Planned) -> list[str]:
        """Names of the variants of a member's compressor that are not made yet."""
        return [name for name in member.compressor.names() if not (self.variants(member) / f"{name}.json").exists()]

    def scratch(self, member: Planned) -> Path:
        """Scratch folder of a member's compressor. A control of another method shares that method's."""
        return self.work / self._label(member, getattr(member.compressor, "of", member.compressor))

    def label(self, member: Planned) -> str:
        """Name of a member's compression: the method, and a digest of its settings."""
        return self._label(member, member.compressor)

    def _label(self, member: Planned, compressor: Compressor) -> str:
        method = type(compressor).__module__.rpartition(".")[2]
        of = "" if member.of is None else f"{member.of}-"
        if member.parent is None:
            return f"{of}{method}-{digest(compressor)}"
        # The name of a compressed member begins with the parent's already.
        return f"{of or member.parent + '-'}{method}-{digest(compressor, self.recipe.other_parent(member.parent))}"

    # Progress and end

    def status(self) -> BuildStatus:
        """How far the pool is.

        Raises
        ------
        InputError
            As in `check_claim`.
        """
        self.check_claim()
        reasons = self.failures()
        made, missing, failed = [], [], {}
        for member in self.recipe.planned():
            if self.is_made(member):
                made.append(member.title)
            elif member.title in reasons:
                failed[member.title] = reasons[member.title]
            else:
                missing.append(member.title)
        return BuildStatus(tuple(made), tuple(missing), failed, self.is_closed())

    def failures(self) -> dict[str, str]:
        """Why members and controls could not be made at the last attempt, by their titles."""
        path = self.path / "failed.json"
        if not path.exists():
            return {}
        reasons = read_json(path)
        check_keys(f"{path}:", reasons, dict.fromkeys(reasons, str) if isinstance(reasons, dict) else {})
        return {_title(member): reason for member, reason in reasons.items()}

    def write_failures(self, reasons: Mapping[str, str]) -> None:
        """Store why members and controls could not be made, by their titles."""
        if reasons:
            write_json(self.path / "failed.json", {_member_path(title): reason for title, reason in reasons.items()})
        else:
            (self.path / "failed.json").unlink(missing_ok=True)

    def is_closed(self) -> bool:
        """Whether the pool can be searched, with all that the recipe names and that could be made."""
        path = self.path / "pool.json"
        if not path.exists():
            return False
        manifest = read_json(path)
        check_keys(f"{path}:", manifest, {"about": dict})
        return bool(manifest["about"].get("recipe") == self._claim["recipe"])

    def check_complete(self, *, without_failed: bool) -> None:
        """Check that the pool can be closed: nothing has failed, or ``without_failed`` and some members are made.

        Raises
        ------
        UnfinishedError
            Members or controls could not be made.
        """
        failed = self.failures()
        if not failed or (without_failed and any(map(self.is_made, self.recipe.members()))):
            return
        shown = [f"{name} ({reason})" for name, reason in list(failed.items())[:FAILURES_SHOWN]]
        shown += [f"{len(failed) - len(shown)} more"] if len(failed) > len(shown) else []
        raise UnfinishedError(
            f"{self.path}: {len(failed)} of {len(self.recipe.planned())} could not be made: {', '.join(shown)}. "
            "The others are kept; run it again to retry, or with --without-failed to do without them."
        )

    def close(self, *, n_classes: int, about: Mapping[str, Any]) -> None:
        """Write the manifest of all members that are made.

        Parameters
        ----------
        n_classes : int
        about : mapping
            Where the pool comes from; plain JSON values.
        """
        failed = self.failures()
        members = [member.name for member in self.recipe.members() if self.is_made(member)]
        about = {**about, **({"failed": failed} if failed else {})}
        write_manifest(self.path, members, problem=self.problem, n_classes=n_classes, about=about)

    @cached_property
    def _claim(self) -> dict[str, Any]:
        """Content of ``recipe.json``: the problem, the recipe, and a digest of how each member is made."""
        members = {_member_path(title): how for title, how in self.recipe.descriptions().items()}
        return {"problem": self.problem, "recipe": as_json(self.recipe), "members": members}

    def _present(self) -> list[str]:
        """Paths of all members and controls that are there, whether the recipe names them or not."""
        return [
            f"{place}/{entry.name}"
            for place in ("members", "controls/members")
            for entry in (sorted((self.path / place).iterdir()) if (self.path / place).is_dir() else ())
            if entry.name[0] != "."
        ]

    def _clean_up(self) -> None:
        """Remove working files, and what a killed process left half written."""
        if self.work.exists():
            shutil.rmtree(self.work)
        for place in ("", "parents", "members", "controls/members"):
            for part in (self.path / place).glob(".*.part"):
                if part.is_dir():
                    shutil.rmtree(part)
                else:
                    part.unlink()


def _member_path(title: str) -> str:
    """Path of a member or control below the folder, by its title."""
    control = title.startswith("controls/")
    return f"controls/members/{title.removeprefix('controls/')}" if control else f"members/{title}"


def _title(path: str) -> str:
    """Title of a member or control, by its path below the folder."""
    return path.replace("members/", "", 1)
