import os
import re
from pathlib import Path

import pytest
from PIL import Image

from segmentation.data.decode import read_photo
from segmentation.data.photos import find_photos


def touch(folder: Path, *names: str) -> None:
    for path in (folder / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(path, format="PNG")


def test_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "sub/deep/a.PNG", "a.png", "photo.dat", "photo", ".hidden.png", ".x/a.png")
    for name in ("notes.txt", "a.json", "film.mp4", "film.mpg", "scan.pdf", "data.h5", "sub/empty"):
        (tmp_path / name).write_text("" if name == "sub/empty" else "P6 words")
    found = find_photos([tmp_path])
    assert [photo.name for photo in found] == ["a.png", "b.jpg", "photo", "photo.dat", "sub/deep/a.PNG"]
    assert [photo.stem for photo in found] == ["a", "b", "photo", "photo.dat", "sub/deep/a"]
    assert [photo.path for photo in found] == [tmp_path / photo.name for photo in found]
    assert (found.ignored, found.unreadable) == (7, ())


def test_files_given_are_taken_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "sub/a.png", ".c.png")
    (tmp_path / "notes.txt").write_text("words")
    names = ["notes.txt", "b.png", ".c.png", "sub/a.png"]
    found = find_photos([str(tmp_path / name) for name in names])
    assert [photo.name for photo in found] == ["notes.txt", "b.png", ".c.png", "a.png"]
    assert found.ignored == 0


def test_each_photo_once(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.png", "x/y/b.png")
    (tmp_path / "x/note.txt").write_text("words")
    found = find_photos([tmp_path / "x/y", tmp_path / "x", tmp_path / "x" / ".." / "x" / "a.png", tmp_path / "x"])
    assert [photo.name for photo in found] == ["b.png", "a.png"]
    assert found.ignored == 1


def test_folders_with_the_same_names(tmp_path: Path) -> None:
    touch(tmp_path, "p/cam/a.png", "q/cam/a.png", "q/cam/b.png", "r/cam-2/a.png")
    found = find_photos([tmp_path / "p/cam", tmp_path / "q/cam", tmp_path / "r/cam-2"])
    assert [photo.name for photo in found] == ["cam/a.png", "cam-2/a.png", "cam-2/b.png", "cam-2-2/a.png"]
    found = find_photos([tmp_path / "p/cam/a.png", tmp_path / "r/cam-2/a.png"])
    assert [photo.name for photo in found] == ["cam/a.png", "cam-2/a.png"]


def test_output_names_differ(tmp_path: Path) -> None:
    names = ["a.jpg", "a.jpg.png", "a.png", "b.x.png", "b.y.png", "c.png", "sub/a.png"]
    touch(tmp_path, *names)
    stems = [photo.stem for photo in find_photos([tmp_path])]
    assert stems == ["a.jpg", "a.jpg.png", "a.png", "b.x", "b.y", "c", "sub/a"]
    touch(tmp_path, "z/A.png", "z/a.png")
    stems = [photo.stem.casefold() for photo in find_photos([tmp_path / "z"])]
    assert len(set(stems)) == len(stems) == len(os.listdir(tmp_path / "z"))


def test_odd_names(tmp_path: Path) -> None:
    names = ["white space .png", "grün 写真 📷.png", "a'b\"c&<d>.png", "100%.png", "-o.png", "#?*[1].png", "CON.png"]
    try:
        touch(tmp_path, *names, os.fsdecode(b"\xff.png"), os.fsdecode(b"\xfe.png"))
    except (OSError, ValueError):
        pytest.skip("this file system refuses some of the names")
    found = find_photos([tmp_path])
    assert {photo.name for photo in found} == {*names, "\ufffd\ufffd\ufffd.png", "\ufffd\ufffd\ufffd-2.png"}
    for photo in found:
        photo.name.encode()
        assert read_photo(photo.path).shape == (2, 2, 3)


def test_symlinks(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.png", "elsewhere/b.png")
    try:
        (tmp_path / "x/loop").symlink_to(tmp_path / "x", target_is_directory=True)
        (tmp_path / "x/itself.png").symlink_to(tmp_path / "x/itself.png")
        (tmp_path / "x/broken.png").symlink_to(tmp_path / "nothing.png")
        (tmp_path / "x/linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "x/z.png").symlink_to(tmp_path / "x/a.png")
    except OSError:
        pytest.skip("no symbolic links here")
    found = find_photos([tmp_path / "x"])
    assert [photo.name for photo in found] == ["a.png", "linked/b.png"]
    assert found.ignored == 2
    with pytest.raises(FileNotFoundError, match=r"broken\.png"):
        find_photos([tmp_path / "x/broken.png"])


def test_nothing_found(tmp_path: Path, as_users_call_it: None) -> None:
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*missing"):
        find_photos([tmp_path, tmp_path / "missing"])
    with pytest.raises(ValueError, match=rf"no photos in {re.escape(str(tmp_path))} \(other files: 1\)"):
        find_photos([tmp_path])
    with pytest.raises(ValueError, match="'paths' must name"):
        find_photos([])
    with pytest.raises(TypeError, match="'paths' must be a sequence of paths, got str"):
        find_photos(str(tmp_path))
    with pytest.raises(TypeError, match="'paths' must hold str or Path, got int 3"):
        find_photos([3])  # type: ignore[list-item]
