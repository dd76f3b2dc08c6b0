from pathlib import Path

import pytest

from tests.segmentation.evaluation.layouts import WRITERS


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small data set of each name."""
    folders: dict[object, Path] = {}
    for name, write in WRITERS.items():
        if write not in folders:
            folders[write] = tmp_path_factory.mktemp(name)
            write(folders[write])
    return {name: folders[write] for name, write in WRITERS.items()}
