"""What cannot be trained, and photos that cannot be read."""

import multiprocessing
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from segmentation.data import photos as finding
from segmentation.train import train
from segmentation.training.batches import TrainBatches
from segmentation.training.checkpoint import load_checkpoint
from tests.segmentation.training.tiny import TINY, results, start, tiny

PRETRAINED = ("--preset", "photos", "--set", "run.scenes=4", "--encoder")
WORKERS = "run.workers=1"
SHORT = "optimizer={steps: 2, batch_size: 4}"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(train, ["--device", "cpu", *map(str, arguments)])


def small(*changes: str) -> list[str]:
    """The preset of the scenes in miniature, as options."""
    return ["--preset", "scenes", *(part for change in (*TINY, SHORT, *changes) for part in ("--set", change))]


def said(text: str) -> str:
    """Without line breaks and the frames of messages."""
    return " ".join(text.split())


def check_refused(result: Result, status: int, message: str) -> None:
    assert result.exit_code == status, result.output
    assert re.search(message, said(result.stderr)), result.stderr
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--preset", "fast"], 2, "'fast' is not one of 'paper', .*'scenes'"),
        (["--data", "nowhere"], 2, "Path 'nowhere' does not exist"),
        (["--set", "run.photos=[nowhere]"], 1, "no such file or folder: nowhere"),
        (["--preset", "photos", "--set", "encoder={init: random}"], 1, "nothing to train on: give photos with --data"),
        ([*PRETRAINED, "vit_tiny_patch16_224", "--weights", "none.pth"], 1, "'weights' must be a file, got 'none.pth'"),
        ([*PRETRAINED, "vit_tinny_patch16_224"], 1, "vit_tinny.*close: .*vit_tiny"),
        (["--set", "views.local_size=129"], 1, r"'local_size' must be at most 'size' \(128\), got 129"),
        (["--set", "views.size=100"], 1, r"'views\.size' must be a multiple of the patch of 8, got 100"),
        (["--set", "views.local_size=60"], 1, r"'views\.local_size' must be a multiple of the patch of 8, got 60"),
        (
            ["--set", "teacher.instance_segments=20", "--set", "decoder.instance_queries=19"],
            1,
            r"'decoder\.instance_queries' must be at least 'teacher\.instance_segments' \(20\), got 19",
        ),
        (["--set", "optimizer.stesp=1"], 1, r"'optimizer\.stesp' is no setting; nearest: optimizer\.steps"),
        (["--set", "optimizer.steps=many"], 1, r"'optimizer\.steps' must be of type int, got str 'many'"),
        (["--set", "optimizer.lr=["], 1, "expected the node content"),
        (["--set", "optimizer.steps"], 1, r"'--set' must be section\.key=value, got 'optimizer\.steps'"),
        (
            ["--set", "encoder.options.depth=4", "--set", "adapter.interactions=9"],
            1,
            "'interactions' must be at most the 4 blocks, got 9",
        ),
        (["--set", "encoder.options={speed: 9}"], 1, "'options' .*speed"),
        (["--init-from", "nowhere"], 2, "'nowhere' does not exist"),
        (["--init-from", "."], 1, r"has no trained model: there is no model\.safetensors"),
        (["--limit-time", "0"], 2, "--limit-time"),
        (["--device", "abacus"], 1, "'device' must be 'auto' or a device that is there, got 'abacus'"),
        (["--speed", "9"], 2, "No such option.*--speed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    as_users_call_it: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refused(run(*arguments, "-o", "run"), status, message)
    assert not list(tmp_path.iterdir())


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    check_refused(run("--resume"), 2, "--resume needs the folder of the run: -o FOLDER")
    check_refused(run("--resume", "--overwrite", "-o", tmp_path), 2, "exclude each other")
    check_refused(run("--resume", "-o", tmp_path), 1, r"has no run to resume: there is no config\.yaml")
    (tmp_path / "file").touch()
    check_refused(run("-o", tmp_path / "file"), 2, "is a file")


def test_a_batch_that_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match=r"'optimizer\.batch_size' must be a multiple of the 3 processes, got 4"):
        TrainBatches(tiny(SHORT), 0, 3)


def test_a_folder_without_photos(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    result = run("--data", tmp_path / "empty", *small(), "-o", tmp_path / "run")
    check_refused(result, 1, r"no photos in .*empty \(other files: 1\)")
    assert not (tmp_path / "run").exists()


def test_a_model_of_other_sizes(tmp_path: Path) -> None:
    start(tiny("optimizer.steps=1"), tmp_path / "first").train()
    result = run("--init-from", tmp_path / "first", *small("decoder.layers=2"), "-o", tmp_path / "run")
    check_refused(result, 1, "checkpoint of another architecture: .*first: .* missing .*mask_decoder.layers.1.")
    assert not (tmp_path / "run").exists()
    (tmp_path / "first" / "model.safetensors").write_bytes(b"none")
    result = run("--init-from", tmp_path / "first", *small(), "-o", tmp_path / "run")
    check_refused(result, 1, r"model\.safetensors' is damaged or no model")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is to be continued."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    assert not start(tiny(), folder, limit=1e-9).train()
    return folder


def edit(folder: Path, change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    path = folder / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    change(settings)
    path.write_text(yaml.safe_dump(settings))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda folder: edit(folder, lambda settings: settings["decoder"].update(layers=2)),
            "other settings, which --resume cannot mix: decoder.layers was 1 and is 2",
        ),
        (
            lambda folder: edit(folder, lambda settings: settings["decoder"].update(speed=2)),
            r"'decoder\.speed' is no setting",
        ),
        (lambda folder: (folder / "config.yaml").write_text("a: [b"), "while parsing a flow sequence"),
        (lambda folder: (folder / "config.yaml").write_text(""), "'preset' must be a file of settings, got "),
        (lambda folder: (folder / "checkpoint.pt").write_bytes(b"none"), r"checkpoint\.pt' is damaged"),
    ],
    ids=["another architecture", "unknown setting", "no YAML", "empty", "damaged checkpoint"],
)
def test_a_run_that_cannot_go_on(
    break_it: Callable[[Path], object], message: str, stopped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    break_it(folder)
    model = (folder / "model.safetensors").read_bytes()
    check_refused(run("--resume", "-o", folder), 1, message)
    assert (folder / "model.safetensors").read_bytes() == model


def test_a_run_goes_on_with_nothing_but_its_folder(stopped: Path, tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "run"
    first = run("--data", photos, *small("optimizer.steps=3"), "-o", folder, "--limit-time", "1e-9")
    assert first.exit_code == 0, first.output
    assert "stopped after step 1; go on with --resume" in said(first.output)
    assert not (folder / "index.html").exists()
    check_refused(
        run("--resume", "-o", folder, "--data", photos, *small("optimizer.steps=4")),
        1,
        "other settings, .* optimizer.steps was 3 and is 4$",
    )
    second = run("--resume", "-o", folder)
    assert second.exit_code == 0, second.output
    assert load_checkpoint(folder)["step"] == 3
    assert (folder / "index.html").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, from Python 3.12 on
@pytest.mark.parametrize("more", [(), (WORKERS,)])
def test_photos_that_cannot_be_read_are_named(more: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    (photos / "b.png").write_bytes((photos / "b.png").read_bytes()[:200])
    (photos / "d.jpg").write_text("no photo")
    result = run("--data", photos, *small(*more), "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    for name in ("b.png", "d.jpg"):
        assert said(result.output).count(f"skipped {name}: ") == 1
    assert sorted(results(tmp_path / "run")["checkpoint"]["skipped"]) == ["b.png", "d.jpg"]


@pytest.mark.parametrize("more", [(), (WORKERS,)])
def test_photos_of_which_none_can_be_read(more: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    for path in photos.iterdir():
        path.write_text("no photo")
    result = run("--data", photos, *small(*more), "-o", tmp_path / "run")
    check_refused(result, 1, "^Error: no photo could be read, of 3; the first: a.png: ")
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_photos_that_go_away_end_the_run_and_its_workers(photos: Path, tmp_path: Path) -> None:
    run = start(tiny(WORKERS, f"run.photos={[str(photos)]}"), tmp_path / "run")
    shutil.rmtree(photos)
    with pytest.raises(ValueError, match=r"no photo could be read, of 3; the first: [abc]\.") as error:
        run.train()
    assert not multiprocessing.active_children()  # which Python would wait for at its end
    del error


def test_folders_that_cannot_be_listed_are_named(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = finding.os.walk

    def refuse_one(top: Path, *arguments: object, onerror: Callable[[OSError], None], **options: object) -> object:
        onerror(PermissionError(13, "Permission denied", str(photos / "secret")))
        return walk(top, *arguments, onerror=onerror, **options)

    monkeypatch.setattr(finding.os, "walk", refuse_one)
    result = run("--data", photos, *small(), "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert f"could not look into {photos / 'secret'}" in said(result.output)
