"""Pseudo-masks by a trained model: its keys, its settings, and scores times the thingness of clusters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from segmentation.config.masks import MaskSettings
from segmentation.data.model_input import resize_photo, token_grid
from segmentation.models.files import save_model
from segmentation.models.model_tokens import ModelTokens
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.masker import PseudoMasker
from segmentation.segments.grouping import group_tokens
from segmentation.segments.photo_segments import photo_segments
from segmentation.segments.scored_masks import scored_masks
from segmentation.segments.segment import Segment
from tests.segmentation.prediction.samples import scene, seen_model, tiny_model, tiny_settings

ALL = ("masks.max_overlap=1", "masks.max_share=1", "masks.max_masks=1000", "masks.score.apart=0", "masks.min_area=2")
WAYS = [
    (),
    ("masks.blocks=2", "masks.mirror=true"),
    ("masks.linkage=balanced", "masks.ratios=[0.5, 0.2, 0.05]", "masks.blocks=2", "masks.mirror=true"),
    ("encoder.freeze=true", "masks.blocks=2", "masks.mirror=true"),
    ("masks.features=vote", "masks.feature_weight=0.5", "masks.center=none"),
]


def pixels_of(photo: NDArray[np.uint8], settings: MaskSettings, patch: int) -> Tensor:
    rows, columns = token_grid(*photo.shape[:2], settings.size, patch)
    return resize_photo(photo, rows * patch, columns * patch)[None]


def literal_keys(model: UniversalModel, pixels: Tensor, settings: MaskSettings) -> Tensor:
    """Keys of all blocks, then those of the mirrored photo turned back."""
    rows, columns = (side // model.encoder.patch_size for side in pixels.shape[2:])
    keys = model.encoder.keys(pixels, settings.blocks)
    if settings.mirror:
        mirrored = model.encoder.keys(pixels.flip(3), settings.blocks)
        keys = torch.cat([keys, mirrored.view(1, rows, columns, -1).flip(2).flatten(1, 2)], 2)
    return keys


def literal_thingness(model: UniversalModel, mask: Tensor, keys: Tensor) -> float:
    """Of the cluster of the mean key in the mask."""
    mean = keys[mask.flatten()].mean(0) - model.key_mean
    cluster = int(model.head((mean / mean.norm())[None]).argmax())
    scores, counts = model.thingness.scores, model.thingness.counts
    means = (scores + 8 * scores.sum() / counts.sum()) / (counts + 8)
    return float(means[cluster] / means.max())


@pytest.mark.parametrize("changes", WAYS[:4], ids=str)  # not features by vote, which are weighted means
@torch.inference_mode()
def test_scores_are_multiplied_by_the_thingness_of_instances(changes: tuple[str, ...]) -> None:
    training = tiny_settings(*ALL, *changes)
    settings, model, photo = training.masks, seen_model(training), scene(70, 90)
    pixels = pixels_of(photo, settings, 8)
    grid = pixels.size(2) // 8, pixels.size(3) // 8
    keys = literal_keys(model, pixels, settings)
    parts = settings.blocks * (1 + settings.mirror)
    [grouped] = group_tokens(keys, [grid], settings, parts=parts)
    image = torch.from_numpy(photo).permute(2, 0, 1) / 255
    plain = scored_masks(grouped, image, settings, {"instance": 1000, "semantic": 1000})
    last = model.encoder.keys(pixels)[0]
    expected: dict[str, list[float]] = {}
    for kind, scored in plain.items():
        masks = grouped.candidates[kind].masks[scored.selection.index]
        factors = [literal_thingness(model, mask, last) if kind == "instance" else 1.0 for mask in masks]
        assert kind == "semantic" or len(set(factors)) > 1
        expected[kind] = sorted(
            (factor * score for factor, score in zip(factors, scored.scores.tolist(), strict=True)), reverse=True
        )
    [found] = PseudoMasker(model, settings=settings, device="cpu")([photo])
    for kind, scores in expected.items():
        assert [segment.score for segment in found.of_kind(kind)] == pytest.approx(scores, rel=1e-4)


def by_hand(model: UniversalModel, settings: MaskSettings, photo: NDArray[np.uint8]) -> list[tuple[float, bytes]]:
    """Scores and masks as they are without any thingness."""
    pixels = pixels_of(photo, settings, 8)
    grid = pixels.size(2) // 8, pixels.size(3) // 8
    keys, parts = literal_keys(model, pixels, settings), settings.blocks * (1 + settings.mirror)
    [grouped] = group_tokens(keys, [grid], settings, parts=parts)
    image = torch.from_numpy(photo).permute(2, 0, 1) / 255
    most = {"instance": settings.max_masks, "semantic": settings.max_masks}
    segments = [
        segment
        for kind, scored in scored_masks(grouped, image, settings, most).items()
        for segment in photo_segments(kind, scored, image, refine=settings.refine, clean=settings.clean)
    ]
    return listed(segments)


def listed(segments: Sequence[Segment]) -> list[tuple[float, bytes]]:
    return [(segment.score, segment.rle["counts"]) for segment in segments]


@pytest.mark.parametrize("changes", WAYS, ids=str)
@torch.inference_mode()
def test_a_thingness_that_was_never_updated_changes_nothing(changes: tuple[str, ...]) -> None:
    training = tiny_settings(*changes)
    model, photo = tiny_model(training), scene(70, 90)
    assert torch.equal(model.thingness(), torch.ones(9))
    [found] = PseudoMasker(model, settings=training.masks, device="cpu")([photo])
    assert listed(found.segments) == by_hand(model, training.masks, photo)
    assert found.segments


def test_a_model_of_a_run(tmp_path: Path) -> None:
    training = tiny_settings("masks.max_masks=7")
    model, photo = seen_model(training), scene(60, 90)
    save_model(tmp_path, model.state_dict(), training)
    [expected] = PseudoMasker(model, settings=training.masks, device="cpu")([photo])
    for path in (tmp_path, str(tmp_path), tmp_path / "model.safetensors"):
        masker = PseudoMasker.from_pretrained(path, "cpu")
        assert masker.settings == training.masks
        [found] = masker([photo])
        assert found.segments == expected.segments
    changed = PseudoMasker.from_pretrained(tmp_path, "cpu", max_masks=2, ratios=[0.3, 0.1], semantic=False)
    assert changed.settings.thresholds is None
    [found] = changed([photo])
    assert 0 < len(found.segments) <= 2
    assert found.levels == (0.3, 0.1)


def test_photos_alone_and_in_a_batch() -> None:
    training = tiny_settings()
    masker = PseudoMasker(seen_model(training), settings=training.masks, device="cpu")
    photos = [scene(60, 90), scene(97, 41, 1), scene(50, 50, 2)]
    together = masker(photos)
    for photo, found in zip(photos, together, strict=True):
        assert masker([photo])[0].segments == found.segments


def test_groups_of_the_finest_map() -> None:
    changes = ("teacher.tokens=map", "encoder.freeze=false")
    training = tiny_settings(*changes)
    masker = PseudoMasker(seen_model(training), settings=training.masks, device="cpu")
    [found] = masker([scene(64, 80)])
    assert found.labels["instance"].shape[1:] == (14, 18)  # of 7 x 9 patches of 8 pixels
    assert found.segments
    with pytest.raises(ValueError, match="'blocks' must be at most 1 for this model, got 2"):
        ModelTokens(seen_model(training), blocks=2)


@pytest.mark.parametrize("blocks", [1, 2])
@torch.inference_mode()
def test_keys_are_those_of_a_plain_encoder_at_the_start(blocks: int) -> None:
    model = UniversalModel(tiny_settings())
    pixels = torch.rand(1, 3, 48, 64)
    keys = ModelTokens(model, blocks).encode_photos([pixels[0], pixels[0, :, :32]])
    assert keys[0].shape == (6 * 8, 32 * blocks)
    vit = model.encoder.vit
    tokens, rotary = vit.embed(vit.normalised(pixels))
    expected = []
    for index in range(vit.depth):
        expected.append(vit.keys(tokens, index))
        tokens = vit.through_block(index, tokens, rotary)
    torch.testing.assert_close(keys[0], torch.cat(expected[-blocks:], 2)[0])


def test_what_cannot_be(tmp_path: Path, as_users_call_it: None) -> None:
    training = tiny_settings()
    model = seen_model(training)
    with pytest.raises(ValueError, match="'weights' must be None with an encoder that is made already"):
        PseudoMasker(model, "weights.pth", device="cpu")
    with pytest.raises(ValueError, match="'blocks' must be at most 2 for this model, got 3"):
        PseudoMasker(model, device="cpu")  # the preset photos takes three
    model.key_mean.zero_()
    with pytest.raises(ValueError, match="'encoder' must be a model that keeps the mean key"):
        PseudoMasker(model, settings=training.masks, device="cpu")
    with pytest.raises(FileNotFoundError, match="'model' must be the folder of a training run"):
        PseudoMasker.from_pretrained(tmp_path / "none.pth", "cpu")
    with pytest.raises(FileNotFoundError, match="has no trained model: there is no model"):
        PseudoMasker.from_pretrained(tmp_path, "cpu")


def test_a_model_without_a_mean_key_still_loads(tmp_path: Path) -> None:
    training = tiny_settings()
    state = tiny_model(training).state_dict()
    del state["key_mean"]
    save_model(tmp_path, state, training)
    assert PseudoMasker.from_pretrained(tmp_path, "cpu")([scene(64, 64)])[0].segments
