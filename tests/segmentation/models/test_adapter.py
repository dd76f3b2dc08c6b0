import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segmentation.models.adapter import (
    ConvFeedForward,
    Extractor,
    FeaturePyramid,
    Injector,
    Layout,
    SpatialPrior,
)
from segmentation.models.layers import as_maps, as_pixels, group_norm

SIZES = ((7, 5), (4, 3), (2, 2))
GRID = (3, 4)
CHANNELS = 12


def randomise(module: nn.Module) -> None:
    """Gives every parameter a value that shows in the result; sampling offsets are of less than a pixel or so."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))


@pytest.fixture
def layout() -> Layout:
    return Layout.of(GRID, [torch.rand(1, CHANNELS, *size) for size in SIZES])


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(2, 12, CHANNELS)


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(2, 35 + 12 + 4, CHANNELS)


def normed(x: Tensor, norm: nn.Module) -> Tensor:
    """Normalises rows by the formula of layer norm."""
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return centred / deviation * norm.weight + norm.bias  # type: ignore[operator]


def centres(*sizes: tuple[int, int]) -> Tensor:
    rows = [
        ((x + 0.5) / width, (y + 0.5) / height) for height, width in sizes for y in range(height) for x in range(width)
    ]
    return torch.tensor(rows)


def convolved(image: Tensor, layer: nn.Conv2d) -> Tensor:
    """Convolves an image ``[channels, height, width]``, pixel by pixel, by a depthwise 3 x 3 kernel."""
    assert layer.bias is not None
    height, width = image.shape[1:]
    result = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            result[:, y, x] = layer.bias
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    if 0 <= y + down < height and 0 <= x + right < width:
                        kernel = layer.weight[:, 0, down + 1, right + 1]
                        result[:, y, x] += kernel * image[:, y + down, x + right]
    return result


@torch.no_grad()
def literal_feedforward(module: ConvFeedForward, pixels: Tensor) -> Tensor:
    hidden = pixels @ module.first.weight.T + module.first.bias
    start = 0
    mixed = []
    for height, width in SIZES:
        for row in range(height):
            mixed.append(hidden[:, start + row * width : start + (row + 1) * width])
        start += height * width
    convolutions, rows = [], iter(mixed)
    for height, _ in SIZES:
        images = torch.stack([next(rows) for _ in range(height)], 1).permute(0, 3, 1, 2)
        convolutions.append(torch.stack([convolved(image, module.depthwise) for image in images]))
    joined = torch.cat([image.permute(0, 2, 3, 1).flatten(1, 2) for image in convolutions], 1)
    return F.gelu(joined) @ module.second.weight.T + module.second.bias


def test_injector_is_the_formula(layout: Layout, tokens: Tensor, pixels: Tensor) -> None:
    injector = Injector(CHANNELS, heads=2, points=3, value_ratio=0.5)
    assert torch.equal(injector(tokens, pixels, layout), tokens)
    randomise(injector)
    attended = injector.attention(
        normed(tokens, injector.token_norm), centres(GRID), normed(pixels, injector.pixel_norm), SIZES
    )
    torch.testing.assert_close(injector(tokens, pixels, layout), tokens + injector.gamma * attended)


def test_extractor_is_the_formula(layout: Layout, tokens: Tensor, pixels: Tensor) -> None:
    extractor = Extractor(CHANNELS, heads=2, points=3, value_ratio=0.5)
    randomise(extractor)
    attended = extractor.attention(
        normed(pixels, extractor.pixel_norm), centres(*SIZES), normed(tokens, extractor.token_norm), [GRID]
    )
    after = pixels + attended
    expected = after + literal_feedforward(extractor.feedforward, normed(after, extractor.feedforward_norm))
    torch.testing.assert_close(extractor(pixels, tokens, layout), expected)


def test_hidden_layer_is_a_quarter() -> None:
    assert ConvFeedForward(384).first.out_features == 96
    assert ConvFeedForward(1).first.out_features == 1


def test_only_the_gate_starts_at_zero() -> None:
    for module in (Injector(16, 2, 4), Extractor(16, 2, 4), FeaturePyramid(8, 16, 12)):
        zero = {name for name, value in module.named_parameters() if not value.any() and not name.endswith("bias")}
        assert zero <= {"gamma", "attention.offsets.weight", "attention.weights.weight"}  # the latter as in the paper


def test_maps_and_pixels() -> None:
    maps = [torch.rand(2, 3, *size) for size in SIZES]
    pixels = as_pixels(maps)
    assert torch.equal(pixels[1, 35 + 4], maps[1][1, :, 1, 1])
    for found, expected in zip(as_maps(pixels, SIZES), maps, strict=True):
        assert torch.equal(found, expected)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes an image by Pillow, channel by channel."""
    channels = [
        np.asarray(Image.fromarray(channel.numpy()).resize(size[::-1], Image.Resampling.BILINEAR)) for channel in image
    ]
    return torch.from_numpy(np.stack(channels))


@torch.no_grad()
@pytest.mark.parametrize(("groups", "chosen"), [(1, (0, 0, 0, 0)), (2, (0, 0, 1, 1)), (4, (0, 1, 2, 3))])
@pytest.mark.parametrize("fine", [(14, 10), (13, 9)])
@pytest.mark.parametrize("center", [False, True])
def test_the_pyramid_is_the_formula(
    center: bool, groups: int, chosen: tuple[int, ...], fine: tuple[int, int], layout: Layout, pixels: Tensor
) -> None:
    module = FeaturePyramid(5, CHANNELS, 7, center)
    randomise(module)
    stem, tokens = torch.randn(2, 5, *fine), [torch.randn(2, 12, CHANNELS) for _ in range(groups)]
    keys = torch.randn(2, 12, 7) * 3 + 1
    centred = keys - keys.mean(1, keepdim=True) if center else keys
    deviation = (centred.var(2, keepdim=True, correction=0) + 1e-5).sqrt()
    scaled = (centred - centred.mean(2, keepdim=True)) / deviation
    scaled = scaled * module.key_norm.weight + module.key_norm.bias
    kernel, (second, third, fourth) = module.enlarge.weight, as_maps(pixels, SIZES)
    enlarged = torch.einsum("ncyx,cokl->noykxl", second, kernel).reshape(2, CHANNELS, 14, 10)
    assert module.enlarge.bias is not None
    assert module.finest.bias is not None
    enlarged = enlarged + module.enlarge.bias[:, None, None]
    first = torch.einsum("ncyx,oc->noyx", stem, module.finest.weight[:, :, 0, 0]) + module.finest.bias[:, None, None]
    first = first + torch.stack([resized(image, fine) for image in enlarged])
    found = module(stem, pixels, tokens, keys, layout)
    images = (first, second, third, fourth)
    for result, image, group, norm, project_keys in zip(found, images, chosen, module.norms, module.keys, strict=True):
        tokens_and_keys = tokens[group] + torch.einsum("btk,ck->btc", scaled, project_keys.weight) + project_keys.bias
        grids = tokens_and_keys.transpose(1, 2).reshape(2, CHANNELS, *GRID)
        size = (image.size(2), image.size(3))
        summed = (image + torch.stack([resized(grid, size) for grid in grids])).flatten(1)
        centred = summed - summed.mean(1, keepdim=True)
        scaled_image = (centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()).view(2, CHANNELS, *size)
        expected = scaled_image * norm.weight[:, None, None] + norm.bias[:, None, None]  # type: ignore[index]
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def test_no_gradient_goes_back_into_the_keys(layout: Layout, pixels: Tensor) -> None:
    stem, tokens, keys = torch.randn(2, 5, 14, 10), torch.randn(2, 12, CHANNELS), torch.randn(2, 12, 7)
    given = [value.requires_grad_() for value in (stem, tokens, keys)]
    maps = FeaturePyramid(5, CHANNELS, 7)(given[0], pixels, [given[1]], given[2], layout)
    sum(found.square().sum() for found in maps).backward()
    assert [value.grad is not None for value in given] == [True, True, False]


@pytest.mark.parametrize("size", [(64, 64), (63, 33), (98, 70), (4, 8), (1, 1)])
def test_sizes_of_the_prior(size: tuple[int, int]) -> None:
    maps = SpatialPrior(4)(torch.rand(1, 3, *size))
    for found, width, stride in zip(maps, (4, 8, 16, 16), (4, 8, 16, 32), strict=True):
        assert found.shape == (1, width, -(-size[0] // stride), -(-size[1] // stride))


def test_the_prior_does_not_mix_photos() -> None:
    prior, photos = SpatialPrior(4), torch.rand(3, 3, 40, 56)
    for together, alone in zip(prior(photos), prior(photos[1:2]), strict=True):
        torch.testing.assert_close(together[1:2], alone)


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (8, 1), (16, 1), (40, 2), (50, 2), (51, 3), (53, 1), (96, 6), (768, 48)]
)
def test_groups_of_sixteen_or_more(channels: int, groups: int) -> None:
    assert group_norm(channels, channels // 16).num_groups == groups


def test_a_stem_without_channels(as_users_call_it: None) -> None:
    with pytest.raises(ValueError, match="'stem_channels' must be at least 1, got 0"):
        SpatialPrior(0)
