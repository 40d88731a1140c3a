"""A data recipe becomes verified files, from a folder, the cache, a package or its origin, or says what to do."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from neurornn import source
from neurornn.bridge import IMAGE_READERS, save_recording
from neurornn.errors import RecipeError, SourceError, SourceMissing
from neurornn.library import library
from neurornn.recording import Recording

CONTENT = {"stimulus.txt": "0 1.0\n50 2.0\n100 1.5\n150 0.5\n", "spikes.txt": "# spikes\n60\n110\n"}
NAMES = sorted(path.stem for path in library("data").glob("*.toml"))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """A server on this machine that hands out the files of the recipe."""
    folder = tmp_path / "origin"
    folder.mkdir()
    for name, text in CONTENT.items():
        (folder / name).write_text(text)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of recordings, an empty cache, and a working folder of its own."""
    monkeypatch.delenv("NEURORNN_DATA", raising=False)
    monkeypatch.setattr(source, "cache_folder", lambda: tmp_path / "cache")
    for proxy in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.chdir(tmp_path)


def recipe(folder: Path, url: str = "http://127.0.0.1:9", more: str = "", package: str = "", head: str = "") -> Path:
    """Write a recipe of the two files, as a user of one's own would."""
    lines = [
        'name = "sound"\ndescription = "d"\norigin = "here"\nlicence = "MIT"\ncitation = "c"\nfolder = "sounds"',
        f'reader = "grasshopper"\n{head}\n[options]\nstimulus = "stimulus.txt"\nspikes = "spikes.txt"\n{more}',
    ]
    for name, text in CONTENT.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        lines.append(f'[[file]]\npath = "{name}"\nurl = "{url}/{name}"\nsha256 = "{digest}"\nbytes = {len(text)}')
        lines.append(f'package = "{package}/{name}"' if package else "")
    path = folder / "sound.toml"
    path.write_text("\n".join(lines))
    return path


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in CONTENT.items():
        (folder / name).write_text(text)
    return folder


def test_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "data" / "sounds")
    put(tmp_path / "cache" / "sounds")
    monkeypatch.setenv("NEURORNN_DATA", str(tmp_path / "data"))
    found = source.find(recipe(tmp_path))
    assert all(path.is_relative_to(tmp_path / "data") for path in found.values())
    monkeypatch.delenv("NEURORNN_DATA")
    assert all(path.is_relative_to(tmp_path / "cache") for path in source.find(recipe(tmp_path)).values())


def test_download_is_verified_and_kept(tmp_path: Path, origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(tmp_path, origin)
    found = source.find(path)
    assert "100%" in capsys.readouterr().err  # the progress bar
    assert {name: file.read_text() for name, file in found.items()} == CONTENT
    shutil.rmtree(tmp_path / "origin")
    assert source.fetch(path) == found == source.find(path)
    assert sorted(file.name for file in (tmp_path / "cache" / "sounds").iterdir()) == sorted(CONTENT)


def test_a_wrong_download_does_not_stay(tmp_path: Path, origin: str) -> None:
    (tmp_path / "origin" / "spikes.txt").write_text("something else")
    with pytest.raises(SourceError, match=r"`sha256` must be that of sound, [0-9a-f]{64}; got '[0-9a-f]{64}'.*fetch"):
        source.fetch(recipe(tmp_path, origin))
    assert [file.name for file in (tmp_path / "cache" / "sounds").iterdir()] == ["stimulus.txt"]


@pytest.mark.parametrize("way", [source.find, source.fetch])
def test_a_changed_file_is_refused_not_replaced(way: object, tmp_path: Path, origin: str) -> None:
    (put(tmp_path / "cache" / "sounds") / "spikes.txt").write_text("60\n")
    with pytest.raises(
        SourceError, match=r"spikes.txt: `sha256` .*Delete it and fetch it again: neurornn data fetch sound"
    ):
        way(recipe(tmp_path, origin))  # type: ignore[operator]


def test_nowhere_names_the_places_and_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORNN_DATA", str(tmp_path / "nothing"))
    with pytest.raises(SourceMissing) as caught:
        source.find(recipe(tmp_path))
    for part in ("NEURORNN_DATA", "http://127.0.0.1:9/", "neurornn data fetch sound", str(tmp_path / "nothing")):
        assert part in str(caught.value)
    with pytest.raises(SourceMissing, match=r"must be in one of .*or to be had from http.*got ConnectionError"):
        source.fetch(recipe(tmp_path))


def test_an_origin_without_the_file_is_missing(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SourceMissing, match="got HTTPError"):
        source.fetch(recipe(tmp_path, f"{origin}/elsewhere"))


def test_an_installed_package_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "site" / "soundpackage" / "data")
    (tmp_path / "site" / "soundpackage" / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    path = recipe(tmp_path, package="soundpackage/data")
    assert source.find(path)["spikes.txt"] == tmp_path / "site" / "soundpackage" / "data" / "spikes.txt"


def test_own_recipe_is_found_by_name_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    recipe(tmp_path / "data")
    rows = {name: where for name, _, where in source.available()}
    assert rows["sound"] == "to be downloaded" and rows["simulated_track"] == "needs no files"
    assert set(NAMES) < set(rows)
    put(tmp_path / "cache" / "sounds")
    assert {name: where for name, _, where in source.available()}["sound"] == "cache"
    (tmp_path / "cache" / "sounds" / "spikes.txt").unlink()
    assert {name: where for name, _, where in source.available()}["sound"] == "to be downloaded"


def test_a_recording_states_its_origin(tmp_path: Path) -> None:
    put(tmp_path / "cache" / "sounds")
    recording = source.load_recording(recipe(tmp_path))
    np.testing.assert_allclose(recording.spikes[0], [0.06, 0.11])
    assert recording.source["licence"] == "MIT" and recording.source["name"] == "sound"
    assert set(recording.source["sha256"]) == set(CONTENT)  # type: ignore[call-overload]


def test_files_are_loaded_by_path(tmp_path: Path) -> None:
    path = save_recording(Recording(0.0, 9.0, spikes=[np.array([3.0])]), tmp_path / "one.h5")
    assert source.load_recording(path).t_stop == source.load_recording(str(path)).t_stop == 9.0
    with pytest.raises(
        SourceMissing, match=r"load_recording: `name` must be a file that exists; got .*two\.nwb.* Check the path"
    ):
        source.load_recording(tmp_path / "two.nwb")


WRONG = {
    "a key that does not exist": ({"head": 'licens = "x"'}, "`licens` must be a key of a data recipe.*mean 'licence'"),
    "a reader that does not exist": ({}, "`reader` must be the name of a reader; got 'grashopper'.*'grasshopper'"),
    "an option that does not exist": ({"more": 'spike = "x"'}, "`options.spike` must be an option of .*'spikes'"),
    "a missing key": ({}, r"`citation` must be valid \(Field required\); got 'nothing'"),
    "a path out of the folder": ({}, "`file.0.path` must be valid"),
    "a checksum that is none": ({}, "`file.0.sha256` must be valid"),
    "a key of a file that does not exist": ({}, "`file.0.ur` must be a key of a data recipe; got 'ur'.*mean 'url'"),
}
EDITS = {
    "a reader that does not exist": ('"grasshopper"', '"grashopper"'),
    "a missing key": ('citation = "c"', ""),
    "a path out of the folder": ('path = "stimulus.txt"', 'path = "../stimulus.txt"'),
    "a checksum that is none": ('sha256 = "', 'sha256 = "Z'),
    "a key of a file that does not exist": ("\nurl =", '\nur = "x"\nurl ='),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_recipes_are_refused(case: str, tmp_path: Path) -> None:
    settings, message = WRONG[case]
    path = recipe(tmp_path, **settings)
    old, new = EDITS.get(case, ("", ""))
    path.write_text(path.read_text().replace(old, new, 1) if old else path.read_text())
    with pytest.raises(RecipeError, match=message):
        source.load_data_recipe(path)


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(
        RecipeError, match=r"recipe: `name` must be a path, or one of the data; .* Did you mean 'rat_linear_track'"
    ):
        source.load_recording("rat_linear_trak")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes_are_whole(name: str) -> None:
    shipped = source.load_data_recipe(name)
    assert shipped.name == name
    for file in shipped.file:
        if "github" in file.url:  # pinned to a commit, so that the origin cannot change under the checksum
            assert any(len(part) == 40 for part in file.url.split("/")), file.url


@pytest.mark.parametrize("name", NAMES)
def test_shipped_sizes_are_those_of_the_files(name: str, recordings: Path) -> None:
    shipped = source.load_data_recipe(name)
    if shipped.reader in IMAGE_READERS and not (recordings / shipped.folder).is_dir():
        pytest.skip("sets of images are large, and not among the recordings here")
    for file in shipped.file:
        path = recordings / shipped.folder / file.path
        if file.package and not path.is_file():  # no copy among the recordings: that of the package
            path = source.find(shipped)[file.path]
        assert path.stat().st_size == file.bytes
