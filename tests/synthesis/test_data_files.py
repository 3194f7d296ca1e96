"""Data sets: the formats against files written by hand, the splits against their definition."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import socket
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import datasets
from evo_ensyth.synthesis.datasets import Dataset, Split, _files, _idx, cifar5, cifar10
from evo_ensyth.synthesis.datasets._files import PublishedFile

REAL_DATA = Path(os.environ.get("EVO_ENSYTH_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A data folder of one's own, and an empty cache."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("EVO_ENSYTH_DATA", str(folder))
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache")
    return folder


def numbered(n_samples, n_classes=3):
    """Samples whose image holds their number."""
    images = np.arange(n_samples, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Split(images, (np.arange(n_samples) % n_classes).astype(np.uint8))


# Splits


def test_splits_are_disjoint_and_lose_no_sample():
    dataset = Dataset("tiny", ("a", "b", "c"), numbered(90), numbered(30))
    splits = dataset.splits(30, seed=1)
    train, search = splits["train"].images.ravel(), splits["search"].images.ravel()
    assert sorted([*train, *search]) == list(range(90))
    assert splits["test"] is dataset.test


def test_images_and_labels_stay_together_in_a_split():
    for split in Dataset("tiny", ("a", "b", "c"), numbered(90), numbered(3)).splits(20, seed=4).values():
        np.testing.assert_array_equal(split.images.ravel() % 3, split.y_true)


@pytest.mark.parametrize("n_search", [1, 7, 33, 150, 298])
def test_every_class_has_its_share_of_the_search_split_to_within_one_sample(n_search):
    labels = np.repeat([0, 1, 2], [200, 90, 10]).astype(np.uint8)
    drawn = datasets.stratified(labels, n_search, np.random.default_rng(0))
    assert drawn.sum() == n_search
    shares = np.bincount(labels[drawn], minlength=3)
    assert np.all(np.abs(shares - n_search * np.array([200, 90, 10]) / 300) < 1)


def test_the_seed_decides_the_search_split():
    dataset = Dataset("tiny", ("a", "b", "c"), numbered(90), numbered(3))
    one, same, other = (dataset.splits(30, seed)["search"].images for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("n_search", [0, 90, -1])
def test_a_search_split_that_leaves_nothing_is_refused(n_search):
    with pytest.raises(InputError, match=rf"n_search is {n_search}; tiny has 90 training samples"):
        Dataset("tiny", ("a", "b", "c"), numbered(90), numbered(3)).splits(n_search, seed=1)


# Digits


def test_digits_has_797_500_and_500_samples_with_greys_up_to_16():
    splits = datasets.load("digits").splits(500, seed=1)
    assert {name: len(split) for name, split in splits.items()} == {"train": 797, "search": 500, "test": 500}
    assert splits["train"].images.shape == (797, 1, 8, 8)
    assert splits["train"].images.dtype == np.uint8
    assert splits["train"].images.max() == 16
    assert np.bincount(splits["test"].y_true).min() >= 48


def test_the_test_split_of_digits_does_not_depend_on_the_seed():
    one, other = (datasets.load("digits").splits(500, seed)["test"] for seed in (1, 2))
    np.testing.assert_array_equal(one.images, other.images)


# IDX


def idx(values, kind=8):
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes([0, 0, kind, values.ndim]) + sizes + values.tobytes())


def test_an_idx_file_is_read_as_it_was_written(tmp_path):
    values = np.random.default_rng(0).integers(256, size=(5, 4, 3), dtype=np.uint8)
    (tmp_path / "file.gz").write_bytes(idx(values))
    np.testing.assert_array_equal(_idx.read_idx(tmp_path / "file.gz", (5, 4, 3)), values)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (idx(np.zeros((5, 4), np.uint8), kind=9), "is not an IDX file of bytes of shape"),
        (idx(np.zeros((5, 3), np.uint8)), "is not an IDX file of bytes of shape"),
        (idx(np.zeros((5, 4, 1), np.uint8)), "is not an IDX file of bytes of shape"),
        (gzip.compress(gzip.decompress(idx(np.zeros((5, 4), np.uint8)))[:-1]), "holds fewer than the 20 bytes"),
        (gzip.compress(gzip.decompress(idx(np.zeros((5, 4), np.uint8))) + b"x"), "holds more than the 20 bytes"),
        (idx(np.zeros((5, 4), np.uint8))[:-9], "cannot be read"),
        (b"not gzip", "cannot be read"),
    ],
    # not by content, which holds the time it was compressed at: workers would name their tests differently
    ids=["other kind", "other shape", "other rank", "too short", "too long", "cut off", "no gzip"],
)
def test_a_file_that_is_not_the_expected_idx_is_refused(tmp_path, content, complaint):
    (tmp_path / "file.gz").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        _idx.read_idx(tmp_path / "file.gz", (5, 4))


@pytest.mark.parametrize(("name", "folder"), [("mnist", "mnist"), ("fashion_mnist", "fashion_mnist")])
def test_an_idx_file_with_another_checksum_is_refused_by_name(own_folder, name, folder):
    (own_folder / folder).mkdir()
    (own_folder / folder / "train-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((60_000, 28, 28), np.uint8)))
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz is not the published file \(its md5 is "):
        datasets.load(name)


@pytest.mark.parametrize(
    ("name", "folder", "first_labels"),
    [
        ("mnist", "mnist", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]),
        ("fashion_mnist", "fashion-mnist", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
    ],
)
def test_the_published_idx_files_are_read(monkeypatch, name, folder, first_labels):
    if not (REAL_DATA / folder).is_dir():
        pytest.skip(f"no folder {folder} in $EVO_ENSYTH_DATA or ../shared/data")
    monkeypatch.setenv("EVO_ENSYTH_DATA", str(REAL_DATA))
    dataset = datasets.load(name)
    assert dataset.train.images.shape == (60_000, 1, 28, 28)
    assert dataset.train.y_true[:10].tolist() == first_labels
    assert np.bincount(dataset.test.y_true).sum() == 10_000
    assert len(dataset.classes) == 10


# CIFAR


@pytest.fixture
def cifar_batches(monkeypatch):
    """Six batches of 20 random records, by file name."""
    monkeypatch.setattr(cifar10, "IMAGES", 20)
    rng = np.random.default_rng(3)
    records = rng.integers(256, size=(6, 20, 3073), dtype=np.uint8)
    records[:, :, 0] %= 10
    return dict(zip(cifar10.BATCHES, records, strict=True))


def write_folder(root, batches):
    (root / "cifar-10-batches-bin").mkdir(parents=True)
    for name, records in batches.items():
        (root / "cifar-10-batches-bin" / name).write_bytes(records.tobytes())


def write_archive(root, batches, extra=()):
    with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for member, content in [
            *((f"cifar-10-batches-bin/{name}", records.tobytes()) for name, records in batches.items()),
            *extra,
        ]:
            about = tarfile.TarInfo(member)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


@pytest.mark.parametrize("below", [".", "cifar-10"])
def test_cifar_is_read_from_a_folder_record_by_record(own_folder, cifar_batches, below):
    write_folder(own_folder / below, cifar_batches)
    dataset = datasets.load("cifar10")
    assert dataset.train.images.shape == (100, 3, 32, 32)
    third = cifar_batches["data_batch_2.bin"][3]
    assert dataset.train.y_true[23] == third[0]
    assert dataset.train.images[23, 1, 5, 7] == third[1 + 1024 + 5 * 32 + 7]
    np.testing.assert_array_equal(dataset.test.y_true, cifar_batches["test_batch.bin"][:, 0])


def test_cifar_is_read_from_the_archive_as_from_the_folder(own_folder, cifar_batches):
    write_archive(own_folder, cifar_batches, extra=[("../escaped", b"x"), ("/tmp/escaped", b"x")])  # noqa: S108
    archived = datasets.load("cifar10")
    write_folder(own_folder, cifar_batches)
    unpacked = datasets.load("cifar10")
    np.testing.assert_array_equal(archived.train.images, unpacked.train.images)
    np.testing.assert_array_equal(archived.test.y_true, unpacked.test.y_true)
    assert not (own_folder.parent / "escaped").exists()


def test_an_archive_without_a_batch_is_refused(own_folder, cifar_batches):
    del cifar_batches["data_batch_4.bin"]
    write_archive(own_folder, cifar_batches)
    with pytest.raises(InputError, match=r"has no cifar-10-batches-bin/data_batch_4\.bin of 61460 bytes"):
        datasets.load("cifar10")


def test_a_cut_archive_is_refused(own_folder, cifar_batches):
    write_archive(own_folder, cifar_batches)
    path = own_folder / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz cannot be read"):
        datasets.load("cifar10")


def test_a_link_in_an_archive_is_not_followed(own_folder, cifar_batches):
    del cifar_batches["test_batch.bin"]
    write_archive(own_folder, cifar_batches)
    path = own_folder / "cifar-10-binary.tar.gz"
    plain = io.BytesIO(gzip.decompress(path.read_bytes()))
    with tarfile.open(fileobj=plain, mode="a") as archive:
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "data_batch_1.bin"
        archive.addfile(link)
    path.write_bytes(gzip.compress(plain.getvalue()))
    with pytest.raises(InputError, match=r"has no cifar-10-batches-bin/test_batch\.bin"):
        datasets.load("cifar10")


def test_a_batch_of_another_size_is_refused(own_folder, cifar_batches):
    cifar_batches["data_batch_2.bin"] = cifar_batches["data_batch_2.bin"][:-1]
    write_folder(own_folder, cifar_batches)
    with pytest.raises(InputError, match=r"data_batch_2\.bin has 58387 bytes; a batch of CIFAR-10 has 61460"):
        datasets.load("cifar10")


def test_a_batch_with_an_eleventh_label_is_refused(own_folder, cifar_batches):
    cifar_batches["data_batch_2.bin"][7, 0] = 10
    write_folder(own_folder, cifar_batches)
    with pytest.raises(InputError, match=r"data_batch_2\.bin holds label 10; labels of CIFAR-10 are 0 to 9"):
        datasets.load("cifar10")


def test_cifar5_keeps_five_classes_and_counts_them_from_zero(own_folder, cifar_batches):
    write_folder(own_folder, cifar_batches)
    whole, part = datasets.load("cifar10"), datasets.load("cifar5")
    names = [cifar10.CLASSES[label] for label in whole.train.y_true]
    kept = [position for position, name in enumerate(names) if name in cifar5.CLASSES]
    np.testing.assert_array_equal(part.train.images, whole.train.images[kept])
    assert [part.classes[label] for label in part.train.y_true] == [names[position] for position in kept]


# Files


def a_file(content, url="http://127.0.0.1:9/file.bin"):
    return PublishedFile(("things",), "file.bin", hashlib.md5(content, usedforsecurity=False).hexdigest(), url)


def test_without_a_network_the_message_says_what_to_put_where(own_folder):
    with socket.socket() as closed:  # Bound and not listening: nobody answers here.
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
        with pytest.raises(InputError) as caught:
            _files.found(a_file(b"content", url))
    message = str(caught.value)
    assert message.startswith(f"file.bin is missing and cannot be downloaded from {url} (")
    assert message.endswith("put it into the folder things below $EVO_ENSYTH_DATA.")
    assert "\n" not in message


@pytest.fixture
def served(tmp_path):
    """A folder, and the address at which its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_missing_file_is_downloaded_once(own_folder, served):
    folder, address = served
    (folder / "file.bin").write_bytes(b"content")
    file = a_file(b"content", f"{address}/file.bin")
    path = _files.found(file)
    assert path == own_folder / "things" / "file.bin"
    (folder / "file.bin").unlink()
    assert _files.found(file).read_bytes() == b"content"


def test_a_download_with_another_checksum_is_refused_and_not_kept(own_folder, served):
    folder, address = served
    (folder / "file.bin").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"cannot be downloaded from .* \(ValueError\)"):
        _files.found(a_file(b"content", f"{address}/file.bin"))
    assert not (own_folder / "things" / "file.bin").exists()


def test_without_a_folder_of_ones_own_downloads_go_to_the_cache(tmp_path, served, monkeypatch):
    monkeypatch.delenv("EVO_ENSYTH_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache")
    folder, address = served
    (folder / "file.bin").write_bytes(b"content")
    path = _files.found(a_file(b"content", f"{address}/file.bin"))
    assert path == tmp_path / "cache" / "things" / "file.bin"


def test_what_is_in_the_cache_is_found_beside_a_folder_of_ones_own(own_folder, tmp_path):
    (tmp_path / "cache" / "things").mkdir(parents=True)
    (tmp_path / "cache" / "things" / "file.bin").write_bytes(b"content")
    assert _files.found(a_file(b"content")).read_bytes() == b"content"


def test_a_data_variable_that_names_no_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("EVO_ENSYTH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"\$EVO_ENSYTH_DATA is '.*nowhere', which is not a folder"):
        datasets.load("mnist")
