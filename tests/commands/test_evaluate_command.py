"""``python -m segmentation.evaluate`` as a user calls it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from segmentation.evaluate import evaluate
from segmentation.evaluation.metrics import evaluate_hierarchies, evaluate_instances
from tests.oracles.coco import instances_json, random_results, random_truth
from tests.oracles.regions import write_annotators, write_levels


def run(*arguments: object) -> Result:
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Ground truth, and predictions that lack a photo and have another one."""
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    predictions = instances_json(truth, random_results(rng, truth), "sub/")
    predictions["images"][3]["file_name"] = "sub/other.jpg"
    for name, data in (("truth", truth), ("found", predictions)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    return tmp_path / "truth.json", tmp_path / "found.json"


def table_row(output: str, name: str) -> list[str]:
    return next(line for line in output.splitlines() if line.split()[:1] == [name]).split()[1:]


def test_instance(files: tuple[Path, Path], tmp_path: Path) -> None:
    written = tmp_path / "new" / "scores.json"
    result = run(
        "instance", "--ground-truth", files[0], "--predictions", files[1], "--class-agnostic", "--json", written
    )
    assert result.exit_code == 0, result.output
    scores = evaluate_instances(*files, class_agnostic=True)
    contents: dict[str, Any] = json.loads(written.read_text())
    assert contents == scores.to_dict()
    assert set(contents) == {"mask", "box", "best_overlap", "per_class", "protocol"}
    for name in ("AP", "AP50", "AR100", "ARL"):
        numbers = [scores.mask[name], scores.box[name]]
        assert table_row(result.output, name)[:2] == ["-" if v is None else f"{v:.2f}" for v in numbers]
    assert f"{scores.best_overlap:.2f}" in result.output
    assert "class-agnostic" in result.output
    assert "maxDets 1/10/100" in result.output
    assert "4 photos (1 without predictions)" in result.output
    assert "Note: 1 photo of the predictions not in the ground truth" in result.output
    assert "sub/other.jpg" in result.output
    assert "Running per image evaluation" not in result.output


def test_instance_errors(files: tuple[Path, Path], tmp_path: Path) -> None:
    result = run("instance", "--ground-truth", files[0], "--predictions", files[1])
    assert result.exit_code == 2
    assert "--class-agnostic" in result.output
    result = run("instance", "--ground-truth", files[0], "--predictions", tmp_path / "none.json")
    assert result.exit_code == 2
    assert "none.json" in result.output
    result = run("instance", "--ground-truth", files[0], "--predictions", files[1], "--kind", "stuff")
    assert result.exit_code == 2
    assert "'stuff' is not one of" in result.output


def test_max_dets(files: tuple[Path, Path], tmp_path: Path) -> None:
    written = tmp_path / "scores.json"
    options = ["instance", "--ground-truth", files[0], "--predictions", files[1], "--class-agnostic"]
    result = run(*options, "--max-dets", "1,10,100,5,1000", "--json", written)
    assert result.exit_code == 0, result.output
    scores = evaluate_instances(*files, class_agnostic=True, max_dets=[5, 1000])
    assert json.loads(written.read_text()) == scores.to_dict()
    assert "maxDets 1/5/10/100/1000" in result.output
    numbers = [scores.mask["AR1000"], scores.box["AR1000"]]
    assert table_row(result.output, "AR1000") == [*(f"{v:.2f}" for v in numbers), "1,000", "masks", "a", "photo"]
    compared = run(*options, "--max-dets", "1000", "--compare", files[1], "--bootstrap", 5, "--json", written)
    assert compared.exit_code == 0, compared.output
    contents = json.loads(written.read_text())
    assert contents["intervals"]["mask AR1000"]["value"] == pytest.approx(scores.mask["AR1000"])
    assert contents["comparison"]["box AR1000"]["verdict"] == "no difference beyond noise"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "'max_dets' must be at least 1, got 0"),
        ("100,-1", "'max_dets' must be at least 1, got -1"),
        ("300,300", "'max_dets' must be different numbers, got 300 twice"),
        ("many", "expected numbers with commas between, such as 1,10,100,1000; got 'many'"),
        ("100,", "expected numbers with commas between"),
    ],
)
def test_max_dets_refused(files: tuple[Path, Path], text: str, message: str) -> None:
    result = run("instance", "--ground-truth", files[0], "--predictions", files[1], "--max-dets", text)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
    assert "--max-dets" in result.output


def test_kinds(files: tuple[Path, Path]) -> None:
    options = ["instance", "--ground-truth", files[0], "--predictions", files[1], "--class-agnostic"]
    assert "is of kind 'semantic'" in run(*options, "--kind", "semantic").output
    assert "kind all" in run(*options, "--kind", "all").output


def test_hierarchy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth, out, written = tmp_path / "truth", tmp_path / "out", tmp_path / "scores.json"
    truth.mkdir()
    for name in "abc":
        write_annotators(truth / f"{name}.mat", list(rng.integers(1, 4, (2, 6, 5))))
        write_levels(out / "labels" / f"{name}.npz", (0.8, 0.6), rng.integers(1, 4, (2, 6, 5)))
    (out / "labels/c.npz").unlink()
    options = ["hierarchy", "--ground-truth", truth, "--predictions", out]
    result = run(*options, "--json", written)
    assert result.exit_code == 0, result.output
    scores = evaluate_hierarchies(truth, out)
    contents = json.loads(written.read_text())
    assert contents == scores.to_dict()
    assert set(contents["covering"]) == {"ODS", "OIS", "best"}
    assert set(contents["PRI"]) == set(contents["VoI"]) == {"ODS", "OIS"}
    assert set(contents["levels"]) == {"covering", "PRI", "VoI"}
    covering = [f"{scores.covering[key]:.3f}" for key in ("ODS", "OIS", "best")]
    assert table_row(result.output, "covering") == [*covering, f"{scores.levels['covering']:g}"]
    assert "bits" in result.output
    assert "2 photos with 4 human segmentations (1 left out, without predictions)" in result.output
    assert "Note: 1 of the 3 photos of the ground truth not in the predictions" in result.output
    assert "kind semantic" in run(*options, "--kind", "semantic").output

    result = run(*options, "--boundaries", "--workers", "1", "--json", written)
    assert result.exit_code == 0, result.output
    scores = evaluate_hierarchies(truth, out, tolerance=0.0075)
    contents = json.loads(written.read_text())
    assert contents == scores.to_dict()
    assert set(contents["boundary"]) == {"ODS", "OIS", "precision", "recall"}
    assert set(contents["levels"]) == {"covering", "PRI", "VoI", "boundary"}
    f_measure = [f"{contents['boundary'][key]:.3f}" for key in ("ODS", "OIS")]
    assert table_row(result.output, "boundary")[-3:] == [*f_measure, f"{contents['levels']['boundary']:g}"]
    assert "boundaries within 0.0075 of the diagonal, one to one" in result.output

    result = run("hierarchy", "--ground-truth", out, "--predictions", out)
    assert result.exit_code == 2
    assert "has none" in result.output


def test_help() -> None:
    assert "instance" in run("--help").output
    for command in ("instance", "hierarchy"):
        assert "--json" in run(command, "-h").output
