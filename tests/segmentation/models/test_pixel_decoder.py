from functools import partial

import pytest
import torch
from torch import Tensor

from segmentation.models.pixel_decoder import PixelDecoder, PixelFeatures
from tests.oracles import mask2former

ODD = [(21, 27), (11, 14), (6, 7), (3, 4)]


def maps(channels: int, sizes: list[tuple[int, int]], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(2, channels, *size, dtype=dtype) for size in sizes]


def everything(features: PixelFeatures) -> list[Tensor]:
    return [features.mask_features, *features.maps]


def loss(features: PixelFeatures) -> Tensor:
    return sum((part.square().mean() for part in everything(features)), torch.zeros(()))


@pytest.mark.parametrize(
    ("in_channels", "channels", "layers", "heads", "feedforward", "sizes"),
    [
        (24, 32, 2, 4, 48, ODD),
        (8, 64, 1, 8, 16, [(20, 13), (9, 9), (4, 2), (1, 1)]),
        (48, 256, 6, 8, 1024, [(9, 11), (5, 6), (3, 3), (2, 2)]),
    ],
)
def test_equals_transformers(
    in_channels: int, channels: int, layers: int, heads: int, feedforward: int, sizes: list[tuple[int, int]]
) -> None:
    theirs, ours = mask2former.pixel_decoder(in_channels, channels, layers, heads, feedforward)
    given = maps(in_channels, sizes)
    with torch.no_grad():
        expected, found = theirs(given), ours(given)
    assert [part.shape[-2:] for part in everything(found)] == [sizes[0], *reversed(sizes[1:])]
    torch.testing.assert_close(found.mask_features, expected.mask_features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.maps, expected.multi_scale_features, rtol=1e-5, atol=1e-5)


def test_gradients_reach_everything_also_with_checkpointing() -> None:
    given = maps(6, ODD)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        decoder = PixelDecoder(6, 16, 2, 2, 4, 32, checkpointing=checkpointing).train()
        mask2former.randomise(decoder)
        loss(decoder(given)).backward()
        assert [name for name, parameter in decoder.named_parameters() if parameter.grad is None] == []
        gradients.append({name: parameter.grad for name, parameter in decoder.named_parameters()})
    assert all(bool(gradient.any()) for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_checkpointing_keeps_less() -> None:
    given = maps(6, ODD)
    kept = []
    for checkpointing in (False, True):
        decoder = PixelDecoder(6, 16, 2, 2, 4, 32, checkpointing=checkpointing).train()
        kept.append(mask2former.kept_for_gradients(partial(decoder, given)))
    assert kept[1] < kept[0] / 2


def test_any_width_has_a_group_norm() -> None:
    groups = {channels: PixelDecoder(4, channels, 0, 2).lateral[1].num_groups for channels in (8, 48, 64, 256, 36)}
    assert groups == {8: 8, 48: 24, 64: 32, 256: 32, 36: 18}


def test_half_precision_and_repetition() -> None:
    decoder, given = PixelDecoder(6, 16, 2, 2, 4, 32), maps(6, ODD)
    first, second = decoder(given), decoder(given)
    assert all(torch.equal(one, other) for one, other in zip(everything(first), everything(second), strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        half = decoder(given)
        loss(half).backward()
    for found, expected in zip(everything(half), everything(first), strict=True):
        assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max()


def test_bad_arguments(as_users_call_it: None) -> None:
    decoder = PixelDecoder(6, 16, 1, 2, 4, 32)
    with pytest.raises(ValueError, match=r"'maps' must be four maps \(strides 4, 8, 16, 32\), got 3"):
        decoder(maps(6, ODD)[:3])
    with pytest.raises(ValueError, match=r"'maps' must have shape \[batch, 6, h, w\], got .* shape \[2, 5, 21, 27\]"):
        decoder(maps(5, ODD))
    with pytest.raises(ValueError, match="'channels' must be at least 4, got 2"):
        PixelDecoder(6, 2)
