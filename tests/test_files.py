"""Files and folders appear whole or not at all, and what lies in the way is said in one line."""

import contextlib
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evo_ensyth import files
from evo_ensyth.errors import InputError, one_line
from evo_ensyth.files import (
    check_new_folder,
    fingerprint,
    folder_written_whole,
    free_folder,
    held_folder,
    next_free,
    read_checked,
    read_json,
    sha256,
    sweep,
    write_json,
    write_whole,
)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- Files ---------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_the_rights_that_any_new_file_has(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert listing(tmp_path) == ["new"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_whatever_fails_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    write_whole(tmp_path / "file", b"old")
    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    write_whole(path, contents[0])
    seen = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        write_whole(path, contents[turn % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)


def test_json_has_no_nan_and_no_infinity(tmp_path):
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(tmp_path / "file.json", {"x": value})
    assert listing(tmp_path) == []


def test_json_comes_back_as_it_was_written(tmp_path):
    content = {"ü": [1, 0.1, None, True, "\ud800"], "b": {}}
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json") == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "a": 1}}',
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b"1" * 9_999,
    ],
)
def test_what_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(InputError, match=r"file\.json cannot be read as JSON"):
        read_json(tmp_path / "file.json")


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    for name, message in (
        ("none", "does not exist"),
        (".", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("endless", "is not a regular file"),
        ("loop", "cannot be read: Too many levels"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        with pytest.raises(InputError, match=message):
            read_json(tmp_path / name)


def test_a_checked_file_is_what_its_digest_says(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12")
    assert read_checked(path, sha256(b"12"), int) == 12
    with pytest.raises(InputError, match="file is not the file that the manifest lists"):
        read_checked(path, sha256(b"13"), int)
    with pytest.raises(InputError, match="file cannot be read: no luck"):
        read_checked(path, sha256(b"12"), lambda content: (_ for _ in ()).throw(OSError("no luck")))
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InputError, match="link is a symbolic link"):
        read_checked(tmp_path / "link", sha256(b"12"), int)
    with pytest.raises(InputError, match="none does not exist"):
        read_checked(tmp_path / "none", sha256(b"12"), int)


def test_a_fingerprint_knows_content_but_not_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1, "b": [1, 2]}) != fingerprint({"a": 1, "b": [2, 1]})
    assert fingerprint({"a": 1}) == sha256(b'{"a":1}')


# --- Folders -------------------------------------------------------------------------------------------------------


def test_a_folder_appears_when_all_of_it_is_there(tmp_path):
    target = tmp_path / "deep" / "er" / "run"
    with folder_written_whole(target) as folder:
        (folder / "file").write_text("x")
        assert not target.exists()
    assert listing(tmp_path) == ["deep", "deep/er", "deep/er/run", "deep/er/run/file"]


def test_a_folder_has_the_rights_that_any_new_folder_has(tmp_path):
    before = os.umask(0o027)
    try:
        with folder_written_whole(tmp_path / "run"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o750


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, InputError])
def test_a_folder_that_fails_leaves_nothing_not_even_the_folders_above_it(tmp_path, error):
    (tmp_path / "old").mkdir()
    with pytest.raises(error), folder_written_whole(tmp_path / "old" / "new" / "er" / "run") as folder:  # noqa: PT012
        (folder / "file").write_text("x")
        raise error
    assert listing(tmp_path) == ["old"]


def test_a_full_disk_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="run cannot be written: No space left on device"):  # noqa: SIM117
        with folder_written_whole(tmp_path / "run"):
            raise OSError(28, "No space left on device")
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "folder exists already; name another folder or remove it"),
        ("file", "file exists already"),
        ("link to nowhere", "link to nowhere exists already"),
        ("file/run", "cannot be made: Not a directory"),
        ("x" * 300, "cannot be made: File name too long"),
        ("new/" + "x" * 300, "cannot be made: File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused_beforehand(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link to nowhere").symlink_to(tmp_path / "nowhere")
    before = listing(tmp_path)
    with pytest.raises(InputError, match=message):
        check_new_folder(tmp_path / name)
    with pytest.raises(InputError, match=message), folder_written_whole(tmp_path / name):
        pytest.fail("nothing was found")
    assert listing(tmp_path) == before


def test_to_check_a_folder_leaves_no_trace(tmp_path):
    check_new_folder(tmp_path / "a" / "b" / "c")
    assert listing(tmp_path) == []


def test_a_folder_that_appears_meanwhile_is_not_written_over(tmp_path):
    with pytest.raises(InputError, match="run cannot be written"), folder_written_whole(tmp_path / "run"):  # noqa: PT012
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "theirs").touch()
    assert listing(tmp_path) == ["run", "run/theirs"]


def test_a_relative_folder_is_made_where_we_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with folder_written_whole(Path("runs/x")):
        pass
    assert listing(tmp_path) == ["runs", "runs/x"]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root may write anywhere")
def test_a_folder_where_one_may_not_write_is_said_in_one_line(tmp_path, environment):
    (tmp_path / "theirs").mkdir(mode=0o555)
    code = (
        "from pathlib import Path; from evo_ensyth.errors import InputError; from evo_ensyth.files import *\n"
        "try: check_new_folder(Path('theirs/run'))\n"
        "except InputError as error: print(error)"
    )
    drop = ["/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    said = subprocess.run(
        [*drop, sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said.stdout == "theirs/run cannot be made: Permission denied.\n", said.stderr


# --- One line ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 模型 🦀", "plain 模型 🦀"),
        ("a\nb\tc\r\nd", "a b c  d"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\udcff\ud800", "\\udcff\\ud800"),
        ("zero\x00width\u200b", "zero\\x00width\\u200b"),
        ("", ""),
    ],
)
def test_a_text_is_shown_on_one_line_without_anything_that_a_terminal_obeys(text, shown):
    assert one_line(text) == shown
    assert one_line(text).isprintable()


def test_a_folder_is_held_by_one_at_a_time_and_let_go_whatever_happens(tmp_path):
    with held_folder(tmp_path), pytest.raises(InputError, match="another process is at work in"), held_folder(tmp_path):
        pytest.fail("two have it")
    with pytest.raises(ZeroDivisionError), held_folder(tmp_path):
        raise ZeroDivisionError
    with held_folder(tmp_path):
        pass


def test_the_next_free_folder_does_not_exist(tmp_path):
    assert next_free(tmp_path / "run") == tmp_path / "run"
    (tmp_path / "run").mkdir()
    (tmp_path / "run.2").symlink_to("nowhere")
    assert next_free(tmp_path / "run") == tmp_path / "run.3"


def taken(folder: Path) -> Path:
    with free_folder(folder) as free:
        return free


def test_of_many_who_ask_for_one_name_at_once_each_gets_a_folder_of_its_own(tmp_path):
    with ThreadPoolExecutor(8) as workers:
        folders = list(workers.map(taken, [tmp_path / "deep" / "run"] * 40))
    assert len(set(folders)) == 40
    assert listing(tmp_path / "deep") == sorted(["run", *(f"run.{i}" for i in range(2, 41))])


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_folder_that_was_taken_is_filled_or_given_back(tmp_path, error):
    place = tmp_path / "deep" / "run"
    with (
        contextlib.suppress(KeyboardInterrupt),
        free_folder(place) as free,
        folder_written_whole(free, taken=True) as folder,
    ):
        (folder / "file").touch()
        assert listing(free) == []
        if error:
            raise error
    assert listing(tmp_path) == ([] if error else ["deep", "deep/run", "deep/run/file"])


def test_what_somebody_else_put_into_a_taken_folder_is_kept(tmp_path):
    with (
        pytest.raises(InputError, match="run cannot be written"),
        free_folder(tmp_path / "run") as free,
        folder_written_whole(free, taken=True),
    ):
        (free / "theirs").touch()
    assert listing(tmp_path) == ["run", "run/theirs"]


KILLED = """
import os, sys
from pathlib import Path
from evo_ensyth import files
from evo_ensyth.files import folder_written_whole, write_whole

def wait(*arguments):
    print("begun", flush=True)
    sys.stdin.read()

with folder_written_whole(Path("run")) as folder:
    (folder / "file").touch()
    os.fsync = wait
    write_whole(Path("other"), b"content")
"""


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(tmp_path, environment):
    others = [".run.abcdefgh.part.txt", ".part", "run.abcdefgh.part", ".link.abcdefgh.part"]
    for name in others[:-1]:
        (tmp_path / name).touch()
    (tmp_path / others[-1]).symlink_to("run.abcdefgh.part")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"begun\n"
    both = [path for path in tmp_path.iterdir() if path.name not in others]
    assert len(both) == 2
    sweep(tmp_path)
    assert all(path.exists() for path in both)
    process.kill()
    process.communicate()
    with folder_written_whole(tmp_path / "next"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "next"])


def test_a_file_that_is_written_again_sweeps_what_was_left_of_it(tmp_path):
    path = tmp_path / "[a].json"
    left = ".[a].json.abcdefgh.part"
    others = [".a.json.abcdefgh.part", ".[a].json.part"]
    for name in (left, *others):
        (tmp_path / name).touch()
    write_whole(path, b"1")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([path.name, *others])


# --- Windows -------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    opened, swept = os.open, []

    def open_late(path, *arguments, **more):
        if str(path).endswith(".part") and not swept:
            swept.append(path)
            os.rmdir(path)
        return opened(path, *arguments, **more)

    monkeypatch.setattr(os, "open", open_late)
    with folder_written_whole(tmp_path / "made") as folder:
        (folder / "a").write_bytes(b"1")
    assert swept
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_without_locks_and_without_opening_folders_everything_is_written_all_the_same(tmp_path, monkeypatch):
    """As on Windows, where there is no fcntl and a folder cannot be opened."""
    opened = os.open

    def open_file(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(f"{path} is a folder")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    write_json(tmp_path / "a.json", [1])
    with folder_written_whole(tmp_path / "folder") as folder:
        (folder / "b").write_text("b")
    with held_folder(tmp_path), held_folder(tmp_path):
        assert listing(tmp_path) == ["a.json", "folder", "folder/b"]
