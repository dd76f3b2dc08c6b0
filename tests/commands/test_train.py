"""Training from Python."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from segmentation import Segmentor, train_segmentor
from segmentation.models.files import load_model_state
from segmentation.scene_generator.scene import make_scene
from tests.segmentation.training.tiny import TINY, differences, results, tiny

STEPS = "optimizer.steps=3"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(make_scene(index, size=72).photo).save(folder / f"{index}.png")
    return folder


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def check_same_predictions(one: Segmentor | None, other: Segmentor, photo: Path) -> None:
    assert one is not None
    expected, found = other.predict(photo), one.predict(photo)
    np.testing.assert_array_equal(found.semantic, expected.semantic)
    np.testing.assert_array_equal(found.panoptic.ids, expected.panoptic.ids)
    assert [segment.score for segment in found.segments] == [segment.score for segment in expected.segments]


def test_the_trained_segmentor_is_that_in_the_folder(photos: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder, console = tmp_path / "run", quiet()
    segmentor = train_segmentor(tiny(STEPS), folder, photos=[photos], device="cpu", console=console)
    check_same_predictions(segmentor, Segmentor.from_pretrained(folder, "cpu"), photos / "0.png")
    assert (folder / "index.html").exists()
    assert "3 steps in" in console.file.getvalue()  # type: ignore[attr-defined]
    with pytest.raises(FileExistsError, match="has an earlier run"):
        train_segmentor(tiny(STEPS), folder, photos=[photos], device="cpu", console=quiet())


def test_an_interrupted_run_goes_on_by_its_folder(photos: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    straight, broken = tmp_path / "straight", str(tmp_path / "broken")
    options = {"photos": [str(photos)], "changes": [*TINY, STEPS], "device": "cpu", "console": quiet()}
    assert train_segmentor("scenes", straight, **options) is not None  # type: ignore[arg-type]
    assert train_segmentor("scenes", broken, time_limit=1e-9, **options) is None  # type: ignore[arg-type]
    segmentor = train_segmentor(folder=broken, resume=True, device="cpu", console=quiet())
    check_same_predictions(segmentor, Segmentor.from_pretrained(straight, "cpu"), photos / "1.png")
    assert not differences(results(straight), results(Path(broken)))


def test_a_model_to_start_from(photos: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    train_segmentor(tiny(STEPS), one, photos=[photos], device="cpu", console=quiet())
    changes = ["optimizer.steps=1", "teacher.momentum=1"]  # a teacher that never moves
    train_segmentor(one / "config.yaml", two, changes=changes, init_from=one, device="cpu", console=quiet())
    changed = differences(load_model_state(one), load_model_state(two))
    # which the teacher counts in every step
    assert all("thingness" in name or "key_mean" in name for name in changed)
    assert "steps: 1\n" in (two / "config.yaml").read_text()


def test_arguments_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'resume' needs the folder of the run"):
        train_segmentor(resume=True)
    with pytest.raises(ValueError, match="excludes 'overwrite'"):
        train_segmentor(folder=tmp_path, resume=True, overwrite=True)
    with pytest.raises(ValueError, match="'changes' are of a preset or a file of settings, got TrainSettings"):
        train_segmentor(tiny(), tmp_path / "run", changes=[STEPS])
    with pytest.raises(FileNotFoundError, match=r"has no run to resume: there is no config\.yaml"):
        train_segmentor(folder=tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match="'preset' must be one of"):
        train_segmentor("fast", tmp_path / "run")
    assert not list(tmp_path.iterdir())
