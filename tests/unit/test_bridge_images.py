"""Readers of image files: MNIST's IDX and CIFAR's binary version, whole and damaged, from small files written here."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from neurornn import load_images, load_recording, source
from neurornn.bridge import read_cifar_images, read_idx_images
from neurornn.claim import run_recipe
from neurornn.cli import data_show
from neurornn.errors import RecipeError, RecordingError, SourceMissing

NAMES = {"train": ("a-images", "a-labels"), "test": ("b-images", "b-labels")}


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    head = bytes([0, 0, kind, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def written(folder: Path, *, packed: bool = True) -> tuple[dict[str, Path], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    arrays = {
        "a-images": rng.integers(0, 256, (6, 3, 2)),
        "a-labels": np.arange(6) % 2,
        "b-images": rng.integers(0, 256, (4, 3, 2)),
        "b-labels": np.arange(4) % 2,
    }
    files = {}
    for name, array in arrays.items():
        files[name] = folder / name
        files[name].write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return files, arrays


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_to_the_byte(tmp_path: Path, packed: bool) -> None:
    files, arrays = written(tmp_path, packed=packed)
    images = read_idx_images(files, name="small", **NAMES)
    np.testing.assert_array_equal(images.pictures.pixels.numpy(), arrays["a-images"].reshape(6, 6))
    np.testing.assert_array_equal(images.held_out.pictures.pixels.numpy(), arrays["b-images"].reshape(4, 6))
    np.testing.assert_array_equal(images.pictures.labels.numpy(), arrays["a-labels"])
    assert images.settings == {"name": "small", "part": "train"} and images.held_out.settings["part"] == "test"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "a-images",
            idx(np.zeros((6, 3, 2)))[:-1],
            r"`a-images` must be as long as its sizes \(6, 3, 2\) say; got '35",
        ),
        ("a-images", idx(np.zeros((6, 3, 2)), kind=13), "must be an IDX file of bytes .*; got '00 00 0d'"),
        ("a-images", b"", "must be an IDX file of bytes .*; got '-'"),
        ("a-images", gzip.compress(idx(np.zeros((6, 3, 2))), mtime=0)[:-9], "`a-images` must be a whole gzip file"),
        ("b-labels", idx(np.zeros(3)), "read_idx_images: `b-labels` must be one label for each image of b-images"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    files, _ = written(tmp_path)
    files[name].write_bytes(content)
    with pytest.raises(RecordingError, match=f"{says}.*fetch it again"):
        read_idx_images(files, name="small", **NAMES)


def archive(path: Path, batches: dict[str, bytes]) -> dict[str, Path]:
    with tarfile.open(path, "w:gz") as opened:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return {path.name: path}


def batch(labels: list[int], first: int) -> bytes:
    """Images whose red is 10 + label, green 20 + label, blue 30 + label, but for the first pixel of red."""
    whole = b""
    for label in labels:
        red = bytes([first]) + bytes([10 + label]) * 1023
        whole += bytes([label]) + red + bytes([20 + label]) * 1024 + bytes([30 + label]) * 1024
    return whole


def test_cifar_is_read_colour_by_colour(tmp_path: Path) -> None:
    batches = {
        "data_batch_1.bin": batch([0, 1], 1),
        "data_batch_2.bin": batch([1], 2),
        "test_batch.bin": batch([0, 1], 9),
        "batches.meta.txt": b"cat",
    }
    files = archive(tmp_path / "small.tar.gz", batches)
    images = read_cifar_images(files, archive="small.tar.gz", name="small")
    pixels = images.pictures.pixels.numpy()
    assert pixels.shape == (3, 3072) and images.pictures.labels.tolist() == [0, 1, 1]
    assert pixels[:, 0].tolist() == [1, 1, 2] and pixels[2, [1, 1024, 2048]].tolist() == [11, 21, 31]
    assert images.held_out.pictures.pixels[:, 0].tolist() == [9, 9]


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = {"data_batch_1.bin": batch([0, 1], 1), "test_batch.bin": batch([0, 1], 9)}
    told = {"archive": "small.tar.gz", "name": "small"}
    short = archive(tmp_path / "small.tar.gz", whole | {"data_batch_2.bin": b"\x00" * 10})
    with pytest.raises(RecordingError, match="must be batches of whole images of 3073 bytes; got '6156 bytes'"):
        read_cifar_images(short, **told)
    none = archive(tmp_path / "small.tar.gz", {"test_batch.bin": whole["test_batch.bin"]})
    with pytest.raises(
        RecordingError, match=r"must be an archive with data_batch_1.bin ...; got \"\['test_batch.bin'\]"
    ):
        read_cifar_images(none, **told)
    content = (tmp_path / "small.tar.gz").read_bytes()
    (tmp_path / "small.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordingError, match=r"read_cifar_images: `small.tar.gz` must be a whole tar archive"):
        read_cifar_images({"small.tar.gz": tmp_path / "small.tar.gz"}, **told)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder of data, an empty cache, and no network."""
    monkeypatch.delenv("NEURORNN_DATA", raising=False)
    monkeypatch.setattr(source, "cache_folder", lambda: tmp_path / "cache")
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_recipe(folder: Path) -> None:
    """Write a recipe of one's own for small IDX files, and the files where they are looked for."""
    import hashlib

    files, _ = written(folder)
    rows = [
        'name = "small"\ndescription = "d"\norigin = "o"\nlicence = "MIT"\ncitation = "c"\nfolder = "small"',
        'reader = "idx_images"\n[options]\nname = "small"\ntrain = ["a-images", "a-labels"]',
        'test = ["b-images", "b-labels"]',
    ]
    (folder / "cache" / "small").mkdir(parents=True)
    for name, path in files.items():
        content = path.read_bytes()
        (folder / "cache" / "small" / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append(f'[[file]]\npath = "{name}"\nurl = "http://x/{name}"\nsha256 = "{digest}"\nbytes = {len(content)}')
    (folder / "data").mkdir()
    (folder / "data" / "small.toml").write_text("\n".join(rows))


def test_a_recipe_of_ones_own_is_loaded_and_shown(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_recipe(nowhere)
    assert load_images("small").n_pixels == 6
    data_show("small")
    shown = capsys.readouterr().out
    assert "small, train: [3, 3] images a class, 6 pixels" in shown and "held out: [2, 2]" in shown
    with pytest.raises(
        RecipeError, match=r"load_recording: `name` must be that of a recording; .*load_images\(\"small"
    ):
        load_recording("small")
    with pytest.raises(RecipeError, match=r"load_images: `name` must be that of a set of images; .*load_recording"):
        load_images("simulated_track")


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_images_that_are_not_here_say_how_to_fetch_them(name: str, nowhere: Path) -> None:
    with pytest.raises(
        SourceMissing, match=f"With a network: neurornn data fetch {name}. Without one, set NEURORNN_DAT"
    ):
        load_images(name)


def test_the_claim_on_mnist_refuses_before_any_training(nowhere: Path) -> None:
    with pytest.raises(SourceMissing, match="neurornn data fetch mnist"):
        run_recipe("predictive_coding_mnist", progress=False)
