from pathlib import Path

import pytest
from PIL import Image

from tests.segmentation.prediction.samples import scene

SIZES = {"a.png": (60, 90), "b.png": (97, 41), "sub/a.png": (50, 50)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for seed, (name, size) in enumerate(SIZES.items()):
        Image.fromarray(scene(*size, seed)).save(folder / name)
    return folder
