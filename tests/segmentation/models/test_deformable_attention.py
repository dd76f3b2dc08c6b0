import math

import pytest
import torch
from torch import Tensor

from segmentation.models.deformable_attention import DeformableAttention, reference_points
from tests.oracles import mask2former

SHAPES = [(5, 7), (3, 4), (1, 2)]
PIXELS = sum(height * width for height, width in SHAPES)


def bilinear(image: Tensor, x: float, y: float) -> Tensor:
    """Samples one point of ``[height, width, channels]``; centres of pixels are at .5, around the image are zeros."""
    read = torch.zeros(image.size(2), dtype=image.dtype)
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < image.size(0) and 0 <= column < image.size(1):
                read += (1 - abs(x - 0.5 - column)) * (1 - abs(y - 0.5 - row)) * image[row, column]
    return read


def literal(module: DeformableAttention, query: Tensor, place: Tensor, values: Tensor) -> Tensor:
    """Computes equation 3 of the paper for one query of one photo."""
    offsets = module.offsets(query).view(module.heads, module.levels, module.points, 2)
    weights = module.weights(query).view(module.heads, -1).softmax(1).view(offsets.shape[:3])
    heads = module.value(values).unflatten(1, (module.heads, -1))
    results = []
    for head in range(module.heads):
        total, start = torch.zeros(heads.size(2), dtype=query.dtype), 0
        for level, (height, width) in enumerate(SHAPES):
            image = heads[start : start + height * width, head].view(height, width, -1)
            start += height * width
            for point in range(module.points):
                x, y = (place * torch.tensor([width, height]) + offsets[head, level, point]).tolist()
                total = total + weights[head, level, point] * bilinear(image, x, y)
        results.append(total)
    return module.output(torch.cat(results))


@pytest.mark.parametrize("value_ratio", [1.0, 0.5])
def test_equals_the_formula(value_ratio: float) -> None:
    module = DeformableAttention(8, heads=2, levels=3, points=4, value_ratio=value_ratio).double()
    mask2former.randomise(module)
    queries, values = torch.randn(2, 6, 8).double(), torch.randn(2, PIXELS, 8).double()
    reference = torch.rand(6, 2).double()
    found = module(queries, reference, values, SHAPES)
    for photo in range(2):
        for query in range(6):
            expected = literal(module, queries[photo, query], reference[query], values[photo])
            torch.testing.assert_close(found[photo, query], expected, rtol=1e-10, atol=1e-10)


def test_equals_transformers() -> None:
    theirs, ours = mask2former.deformable_attention(32, heads=4, levels=3, points=4)
    queries, values, reference = torch.randn(2, PIXELS, 32), torch.randn(2, PIXELS, 32), reference_points(SHAPES)
    expected, _ = theirs(
        queries,
        encoder_hidden_states=values,
        reference_points=reference[None, :, None].expand(2, -1, 3, -1),
        spatial_shapes_list=SHAPES,
    )
    torch.testing.assert_close(ours(queries, reference, values, SHAPES), expected, rtol=0, atol=1e-5)


def test_gradients() -> None:
    module = DeformableAttention(4, heads=2, levels=3, points=2).double()
    mask2former.randomise(module)
    queries, values = torch.randn(1, 3, 4).double(), torch.randn(1, PIXELS, 4).double()
    reference = torch.rand(3, 2).double()
    inputs = (queries.requires_grad_(), reference.requires_grad_(), values.requires_grad_())
    assert torch.autograd.gradcheck(lambda *given: module(*given, SHAPES), inputs)


def test_starts_on_a_ring() -> None:
    offsets = DeformableAttention(8, heads=8, levels=2, points=3).offsets
    assert not offsets.weight.any()
    ring = offsets.bias.detach().view(8, 2, 3, 2)
    assert torch.equal(ring[:, 0], ring[:, 1])
    for point in range(3):
        assert torch.allclose(ring[:, 0, point].abs().amax(1), torch.tensor(float(point + 1)))
    assert torch.allclose(ring[0, 0, 0], torch.tensor([1.0, 0.0]))
    assert torch.allclose(ring[1, 0, 1], torch.tensor([2.0, 2.0]))
    assert torch.allclose(ring[2, 0, 2], torch.tensor([0.0, 3.0]), atol=1e-6)


def test_reference_points_are_centres() -> None:
    points = reference_points([(2, 3), (1, 1)])
    expected = [[(x + 0.5) / 3, (y + 0.5) / 2] for y in range(2) for x in range(3)]
    assert torch.allclose(points, torch.tensor([*expected, [0.5, 0.5]]))


def test_sampling_locations_stay_fine_in_half_precision() -> None:
    """A ramp of 512 pixels is read at its pixels: in bfloat16 coordinates, neighbours would fall together."""
    module = DeformableAttention(1, heads=1, levels=1, points=1)
    torch.nn.init.zeros_(module.offsets.bias)
    for linear in (module.value, module.output):
        torch.nn.init.ones_(linear.weight)
    ramp = (torch.arange(512) % 2).float().view(1, 512, 1)
    read = module.bfloat16()(ramp.bfloat16(), reference_points([(1, 512)]), ramp.bfloat16(), [(1, 512)])
    assert read.dtype == torch.bfloat16
    assert torch.allclose(read.float(), ramp, atol=1e-2)


def test_bad_arguments(as_users_call_it: None) -> None:
    with pytest.raises(ValueError, match="'heads' must divide the width of the values, 4, got 3"):
        DeformableAttention(8, heads=3, levels=1, points=1, value_ratio=0.5)
    with pytest.raises(ValueError, match=r"'value_ratio' must be in \(0, 1\], got 2"):
        DeformableAttention(8, heads=2, levels=1, points=1, value_ratio=2)
    with pytest.raises(ValueError, match="'points' must be at least 1, got 0"):
        DeformableAttention(8, heads=2, levels=1, points=0)
    module, queries = DeformableAttention(8, heads=2, levels=2, points=1), torch.rand(1, 1, 8)
    with pytest.raises(ValueError, match="'shapes' must have one entry for each of the 2 maps"):
        module(queries, torch.rand(1, 2), torch.rand(1, 6, 8), [(2, 3)])
    with pytest.raises(ValueError, match=r"'values' must have a row for each pixel .*, got 6"):
        module(queries, torch.rand(1, 2), torch.rand(1, 6, 8), [(2, 3), (1, 1)])
