"""Compressed run-length codes: what pycocotools writes is read, and damage is told."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from segmentation.evaluation.metrics.any_rle import to_rle


@pytest.mark.parametrize("seed", range(20))
def test_every_code_of_pycocotools_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 400, 2))
    mask = rng.random((height, width)) < rng.choice([0, 0.001, 0.2, 0.5, 1])
    mask[: height // 2] |= bool(rng.integers(2))
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert to_rle({**rle, "counts": rle["counts"].decode()}, height, width)["size"] == [height, width]
    assert to_rle(rle, height, width)["counts"] == rle["counts"]


def test_no_damaged_code_covers_other_pixels_in_silence() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((30, 40)) < 0.1
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    told = 0
    for place in range(len(rle["counts"])):
        damaged = bytearray(rle["counts"])
        damaged[place] = 48 + (damaged[place] - 48 + 7) % 64
        try:
            to_rle({"size": [30, 40], "counts": bytes(damaged)}, 30, 40)
        except ValueError:
            told += 1
    assert told > 0.9 * len(rle["counts"])
    for counts in ("", "#", "Ü", "o", rle["counts"][:-1]):
        with pytest.raises(ValueError, match="the RLE"):
            to_rle({"size": [30, 40], "counts": counts}, 30, 40)
