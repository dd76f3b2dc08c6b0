"""The examples run, on real data where they name some."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch_geometric.datasets import TUDataset

from examples import proteins, regions
from segmentation.scene_generator.scene import make_scene

ROOT = Path(__file__).parents[2]


def test_regions_finds_the_parts_of_the_scene() -> None:
    run = CliRunner().invoke(regions.main, [])
    assert run.exit_code == 0, run.output
    assert "different segments of 1024 tokens" in run.output
    _, part = regions.scene(32, 64, 0.6)
    torch.manual_seed(0)
    tokens, part = regions.scene(32, 64, 0.6)
    hierarchy = regions.OnlineAgglomerativePooling()(tokens, regions.grid_graph(32, 32))
    masks = torch.cat([level.instance.masks((32, 32)) for level in hierarchy.levels])
    for number in (1, 3, 4):  # field, body, head
        truth = part == number
        overlap = (masks & truth).sum((1, 2)) / (masks | truth).sum((1, 2))
        assert overlap.max() > 0.9


def test_proteins_learns(shared: Path, tmp_path: Path) -> None:
    root = tmp_path / "tu"
    raw = root / "PROTEINS" / "raw"
    raw.parent.mkdir(parents=True)
    raw.symlink_to(shared.resolve() / "data" / "tu" / "PROTEINS" / "raw")
    torch.manual_seed(0)
    dataset = TUDataset(str(root), "PROTEINS").shuffle()
    history = proteins.train(list(dataset), dataset.num_features, dataset.num_classes, epochs=15)
    share = max(torch.bincount(dataset.y).tolist()) / len(dataset)  # what guessing the larger class scores
    assert max(training for training, _ in history) > share + 0.05


@pytest.mark.parametrize("page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md"))])
def test_python_on_the_pages_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block of a page, one after the other in one namespace, in a folder with PHOTOS."""
    (tmp_path / "PHOTOS").mkdir()
    for index in range(4):
        Image.fromarray(make_scene(index).photo).save(tmp_path / "PHOTOS" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)
