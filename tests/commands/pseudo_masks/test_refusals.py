"""Options that cannot be."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.pseudo_masks.command import options, run, text


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (lambda o: [*o, "--format", "foo"], 2, "expected some of coco,overlay,html,npz, got foo"),
        (lambda o: [*o, "--format", "coco,"], 2, "expected some of coco,overlay,html,npz"),
        (lambda o: [*o, "--thresholds", "abc"], 2, "expected numbers with commas between, got 'abc'"),
        (lambda o: [*o, "--thresholds", "2"], 1, r"'thresholds' must be in \(-1, 1\], got 2.0"),
        (lambda o: [*o, "--thresholds", "0.5,0.6"], 1, "'thresholds' must fall from level to level, got"),
        (lambda o: [*o, "--size", "8"], 1, "'size' must be at least the patch of 16, got 8"),
        (lambda o: [*o, "--size", "0"], 2, "--size"),
        (
            lambda o: [*o, "--encoder", "vit_tinny_patch16_224"],
            1,
            "'name' must be .* got 'vit_tinny.*close: .*vit_tiny",
        ),
        (lambda o: [*o, "--encoder", "vit_small_patch16_224"], 1, "do not fit the encoder"),
        (lambda o: [*o, "--weights", "none.pth"], 1, "'weights' must be a file, got 'none.pth'"),
        (lambda o: [*o, "--device", "abacus"], 1, "'device' must be 'auto' or a device that is there, got 'abacus'"),
        (lambda o: [*o, "--dtype", "int8"], 2, "'int8' is not one of"),
        (lambda o: [*o, "--preset", "fast"], 2, "'fast' is not one of"),
        (lambda o: [*o, "--batch-size", "0"], 2, "--batch-size"),
        (lambda o: [*o, "nowhere"], 1, "no such file or folder: nowhere"),
        (lambda o: o[1:], 2, "Missing argument 'PHOTOS...'"),
        (lambda o: [*o, "--speed", "9"], 2, "No such option.*--speed"),
    ],
)
def test_wrong_options(
    change: Callable[[list[str]], list[str]],
    status: int,
    message: str,
    photos: Path,
    weights: Path,
    tmp_path: Path,
    as_users_call_it: None,
) -> None:
    out = tmp_path / "out"
    result = run(*change([str(photos), *options(weights, out)]))
    assert result.exit_code == status, result.output
    assert re.search(message, text(result)), result.output
    assert "Traceback" not in result.output
    assert not out.exists()


def test_output_that_cannot_be_a_folder(photos: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    result = run(photos, *options(weights, tmp_path / "out"))
    assert result.exit_code == 2
    assert "is a file" in text(result)
    result = run(photos, *options(weights, tmp_path / "out" / "in"))
    assert result.exit_code == 1
    assert "Not a directory" in text(result)


def test_help() -> None:
    result = run("-h")
    assert result.exit_code == 0
    for option in ("--resume", "--thresholds", "--format"):
        assert option in result.output
