import os
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # tensors are small here, and threads that wait for each other on a busy machine are slow


@pytest.fixture
def as_users_call_it() -> Iterator[None]:
    """Without the run-time type checker of the tests, whose errors would come before ours."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference photos, graphs and weights."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("GRAPHPOOL_SHARED", root.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the reference data: no folder {folder} (GRAPHPOOL_SHARED)")
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny trained model."""
    from tests.segmentation.prediction.samples import write_model

    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a small data set of each name."""
    from tests.segmentation.evaluation.layouts import WRITERS

    folders: dict[object, Path] = {}
    for name, write in WRITERS.items():
        if write not in folders:
            folders[write] = tmp_path_factory.mktemp(name)
            write(folders[write])
    return {name: folders[write] for name, write in WRITERS.items()}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return torch.device(request.param)
