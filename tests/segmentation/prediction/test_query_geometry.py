import pytest
import torch
import torch.nn.functional as F

from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.queries import predicted_masks, query_geometry
from segmentation.segments.pixel_masks import GuidedFilter
from segmentation.segments.score import SegmentScore, segment_cues
from tests.segmentation.prediction.samples import tiny_settings

GRID = 6, 9


@pytest.mark.parametrize("zoom", [1, 2, 5])
def test_of_masks_of_whole_tokens_it_is_the_score_of_segments(zoom: int) -> None:
    masks = torch.rand(7, *GRID) > 0.6
    tokens, photo = F.normalize(torch.randn(54, 8), dim=1), torch.rand(3, 30, 44)
    logits = (30 * (2 * masks.float() - 1)).repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
    small = F.interpolate(photo[None], (24, 36), mode="bilinear", antialias=True)[0]
    filtered = GuidedFilter(small, (12, 18), 2, 1e-4)(masks.float())
    expected = SegmentScore()(segment_cues(masks, torch.ones(7, 1, dtype=torch.bool), tokens, filtered))
    torch.testing.assert_close(query_geometry(logits, tokens, GRID, photo), expected, rtol=1e-4, atol=1e-5)


def test_a_mask_smaller_than_a_token_ranks_last() -> None:
    tokens, photo = F.normalize(torch.randn(54, 8), dim=1), torch.rand(3, 24, 36)
    logits = torch.full((2, 24, 36), -30.0)
    logits[0, 9:10, 14:15] = logits[1, 8:16, 12:20] = 30
    point, block = query_geometry(logits, tokens, GRID, photo)
    assert point == pytest.approx(1e-30 ** (1 / 6))
    assert block > point


def test_no_queries() -> None:
    assert query_geometry(torch.zeros(0, 4, 4), torch.rand(54, 8), GRID, torch.rand(3, 24, 36)).shape == (0,)


def test_it_ranks_what_a_model_finds() -> None:
    settings = tiny_settings()
    model = UniversalModel(settings).eval()
    pixels = torch.rand(2, 3, 48, 72)
    found = predicted_masks(model, pixels, settings)
    with torch.no_grad():
        keys = model.tokens(pixels)
    for own, photo, key in zip(found, pixels, keys, strict=True):
        tokens = F.normalize(key - key.mean(0), dim=1)
        geometry = query_geometry(own.logits, tokens, GRID, photo, SegmentScore(settings.masks.score))
        torch.testing.assert_close(own.geometry, geometry, rtol=1e-3, atol=1e-4)
