"""The preset of S2-UniSeg in miniature: segments are groups of the pixels of the adapter's finest map."""

from pathlib import Path

import torch
import torch.nn.functional as F

from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation import Segmentor
from segmentation.config import TrainSettings, load_training
from segmentation.data.views import Sample
from segmentation.training.batches import TrainBatches
from segmentation.training.run import first_student
from segmentation.training.step import TrainStep
from tests.segmentation.training.tiny import ALONE, NETWORK, TEACHING, results, said, start


def tiny_s2(*changes: str) -> TrainSettings:
    """The preset in miniature: photos of 64 pixels, a transformer that sees 32, tokens of 4."""
    random = "encoder={init: random, options: {img_size: 32, patch_size: 8, embed_dim: 32, depth: 2, num_heads: 2}}"
    more = ("masks.center=graph", "views.local_views=2", "optimizer.steps=3", "run.workers=0", "head.layers=2")
    return load_training("s2-uniseg", [random, *NETWORK[1:], *TEACHING, *more, *changes])


def prepared(settings: TrainSettings) -> tuple[TrainStep, list[Sample], torch.Tensor]:
    parts, samples = TrainStep(first_student(settings), settings, ALONE), next(TrainBatches(settings).starting_at(0))
    return parts, samples, torch.stack([sample.global_view for sample in samples]).float() / 255


def test_segments_are_groups_of_the_pixels_of_the_finest_map() -> None:
    settings = tiny_s2("masks.thresholds=[0.8, 0.6]", "teacher={instance_segments: 8, semantic_segments: 4}")
    parts, _, pixels = prepared(settings)
    teacher = parts.teacher
    with torch.no_grad():
        finest = teacher.model.encoder(pixels).maps[0]
    tokens = finest.flatten(2).transpose(1, 2)
    assert torch.equal(teacher.model.tokens(pixels), tokens)
    assert tokens.shape == (2, 16 * 16, 32)
    assert (teacher.model.token_stride, teacher.model.encoder.patch_size) == (4, 16)
    pool = OnlineAgglomerativePooling((0.8, 0.6), center="graph", repeat=True, inclusive=True)
    for photo, own in zip(tokens, teacher.segments(pixels, tokens), strict=True):
        levels = pool(photo, grid_graph(16, 16)).levels
        assert own["instance"].masks.shape[1:] == (32, 32)
        found = F.avg_pool2d(own["instance"].masks[None], 2)[0] > 0.5
        expected = torch.cat([level.instance.masks((16, 16)) for level in levels])
        same = (found.unsqueeze(1) == expected).float().mean((2, 3)).amax(1)
        assert len(found)
        assert same.min() > 0.97  # soft edges move a corner here and there
        assert own["instance"].means.shape[1] == 32


def test_at_the_start_they_are_the_segments_of_the_keys() -> None:
    parts, _, pixels = prepared(tiny_s2())
    model = parts.teacher.model
    with torch.no_grad():
        keys, tokens = model.encoder.keys(pixels), model.tokens(pixels)
    options = {"center": "graph", "repeat": True, "inclusive": True, "feature_weight": 1.0, "features": "mean"}
    pool = OnlineAgglomerativePooling(**options)
    for one, other in zip(keys, tokens, strict=True):
        coarse, fine = pool(one, grid_graph(4, 4)).levels, pool(other, grid_graph(16, 16)).levels
        for level, finer in zip(coarse, fine, strict=True):
            whole = level.instance.cluster.view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
            assert torch.equal(finer.instance.cluster.view(16, 16), whole)


def test_the_mean_and_the_head_are_of_the_map() -> None:
    parts, samples, pixels = prepared(tiny_s2("optimizer.head_frozen=0", "optimizer.warmup=0"))
    with torch.no_grad():
        mean = parts.teacher.model.tokens(pixels).mean((0, 1))
        before = parts.teacher.model.encoder.maps.token_gate.clone()
    parts.learn(samples, 0)
    torch.testing.assert_close(parts.teacher.model.key_mean, mean)
    assert not torch.equal(parts.teacher.model.encoder.maps.token_gate, before)  # the teacher's map follows


def test_a_run_goes_on_and_its_model_predicts(tmp_path: Path) -> None:
    run = start(tiny_s2(), tmp_path / "run")
    assert run.train()
    assert "step 3" in said(run) or run.step == 3
    assert len(results(tmp_path / "run")["log"]) == 3
    whole = results(tmp_path / "run")["model"]
    stopped = start(tiny_s2(), tmp_path / "again", limit=0.0)
    assert not stopped.train()
    resumed = start(tiny_s2(), tmp_path / "again", resume=True)
    assert resumed.train()
    assert all(torch.equal(value, whole[name]) for name, value in results(tmp_path / "again")["model"].items())
    segmentor = Segmentor.from_pretrained(tmp_path / "run", device="cpu")
    assert segmentor.patch_size == 16
    prediction = segmentor.predict(torch.rand(3, 70, 50).mul(255).byte().permute(1, 2, 0).numpy())
    assert prediction.semantic.shape == (70, 50)
