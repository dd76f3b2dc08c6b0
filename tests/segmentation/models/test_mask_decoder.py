from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segmentation.models.mask_decoder import Attention, DecoderOutput, MaskDecoder, attended_pixels
from segmentation.models.pixel_decoder import PixelFeatures
from tests.oracles import mask2former

ODD = [(3, 4), (6, 7), (11, 14), (21, 27)]  # coarse to fine


def pixel_features(channels: int, sizes: list[tuple[int, int]], dtype: torch.dtype = torch.float32) -> PixelFeatures:
    coarse, middle, fine, finest = (torch.randn(2, channels, *size, dtype=dtype) for size in sizes)
    return PixelFeatures(finest, (coarse, middle, fine))


def small(**options: bool) -> MaskDecoder:
    decoder = MaskDecoder(16, 4, 2, 24, 5, 3, **options)
    mask2former.randomise(decoder)
    return decoder


def loss(outputs: list[DecoderOutput]) -> Tensor:
    return sum((part.float().square().mean() for output in outputs for part in output), torch.zeros(()))


@pytest.mark.parametrize(
    ("channels", "layers", "heads", "feedforward", "queries", "sizes"),
    [
        (32, 5, 4, 48, (7, 4), ODD),
        (16, 3, 2, 24, (3, 0), [(1, 1), (2, 5), (4, 9), (9, 13)]),
        (256, 9, 8, 2048, (9, 4), [(2, 3), (4, 5), (7, 9), (13, 17)]),
    ],
)
def test_equals_transformers(
    channels: int, layers: int, heads: int, feedforward: int, queries: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    """In float64: a logit that rounds to the other side of zero in float32 would change what is attended to."""
    theirs, ours = mask2former.mask_decoder(channels, layers, heads, feedforward, queries)
    features = pixel_features(channels, sizes, torch.float64)
    with torch.no_grad():
        expected = theirs.double()(list(features.maps), features.mask_features)
        found = ours.double()(features)
    assert len(found) == layers + 1
    masks, normed = expected.masks_queries_logits, expected.intermediate_hidden_states
    for output, mask, query in zip(found, masks, normed, strict=True):
        torch.testing.assert_close(output.masks, mask, rtol=0, atol=1e-8)
        torch.testing.assert_close(output.queries, query.transpose(0, 1), rtol=0, atol=1e-8)
        torch.testing.assert_close(output.objectness, ours.objectness(output.queries)[..., 0])


def test_level_tokens_are_added_at_every_layer() -> None:
    decoder, features = small().double(), pixel_features(16, ODD, torch.float64)
    outputs = decoder(features)
    tokens = torch.stack([decoder.level_tokens[0]] * 5 + [decoder.level_tokens[1]] * 3)
    queries = decoder.query_features.repeat(2, 1, 1)
    torch.testing.assert_close(outputs[0].queries, decoder.norm(queries))
    for index, layer in enumerate(decoder.layers):
        pixels = features.maps[index % 3].flatten(2).mT + decoder.scale_embedding[index % 3]
        masks = F.interpolate(outputs[index].masks, features.maps[index % 3].shape[-2:], mode="bilinear")
        attended = masks.flatten(2).sigmoid() >= 0.5
        attended[~attended.any(2)] = True
        places = sine(*features.maps[index % 3].shape[-2:], 16)
        queries = layer(queries + tokens, decoder.query_positions, pixels, places, attended)
        torch.testing.assert_close(outputs[index + 1].queries, decoder.norm(queries))


def sine(height: int, width: int, channels: int) -> Tensor:
    """Computes the position encodings of DETR, number by number."""
    table = torch.zeros(height, width, channels, dtype=torch.float64)
    for half, size in enumerate((height, width)):
        turn = torch.arange(1, size + 1, dtype=torch.float64) / (size + 1e-6) * 2 * torch.pi
        along = turn[:, None].expand(height, width) if half == 0 else turn.expand(height, width)
        for index in range(channels // 2):
            angle = along / 10000 ** ((index - index % 2) / (channels // 2))
            table[:, :, half * channels // 2 + index] = angle.cos() if index % 2 else angle.sin()
    return table.flatten(0, 1)


def test_an_empty_mask_reads_everything() -> None:
    masks = torch.full((1, 3, 8, 8), -1.0)
    masks[0, 1, :4] = 1
    masks[0, 2] = 1
    attended = attended_pixels(masks, (4, 4))[0].view(3, 4, 4)
    assert attended[0].all()
    assert attended[1, :2].all()
    assert not attended[1, 2:].any()
    assert attended[2].all()


def test_attention_is_the_softmax_over_what_is_attended() -> None:
    module = Attention(8, 2).double()
    mask2former.randomise(module)
    queries, keys, values = (torch.randn(2, count, 8).double() for count in (3, 10, 10))
    attended = torch.rand(2, 3, 10) > 0.5
    attended[:, :, 0] = True
    split = [
        project(x).view(2, -1, 2, 4)
        for project, x in ((module.query, queries), (module.key, keys), (module.value, values))
    ]
    similarity = torch.einsum("bqhc,bkhc->bhqk", split[0], split[1]) / 2
    weights = similarity.masked_fill(~attended[:, None], -torch.inf).softmax(3)
    expected = module.output(torch.einsum("bhqk,bkhc->bqhc", weights, split[2]).reshape(2, 3, 8))
    torch.testing.assert_close(module(queries, keys, values, attended), expected)


def test_gradients_reach_everything_also_with_checkpointing() -> None:
    features, gradients = pixel_features(16, ODD), []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        decoder = small(checkpointing=checkpointing).train()
        loss(decoder(features)).backward()
        gradients.append({name: parameter.grad for name, parameter in decoder.named_parameters()})
    assert [name for name, gradient in gradients[0].items() if gradient is None or not gradient.any()] == []
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_checkpointing_keeps_less() -> None:
    features = pixel_features(16, ODD)
    kept = []
    for checkpointing in (False, True):
        decoder = small(checkpointing=checkpointing).train()
        kept.append(mask2former.kept_for_gradients(partial(decoder, features)))
    assert kept[1] < kept[0] / 2


def test_half_precision_and_repetition() -> None:
    decoder, features = small(), pixel_features(16, ODD)
    first, second = decoder(features), decoder(features)
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(part, again) for part, again in zip(one, other, strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        half = decoder(features)
        loss(half).backward()
    assert all(bool(part.isfinite().all()) for output in half for part in output)
    torch.testing.assert_close(half[0].masks.float(), first[0].masks, rtol=0.05, atol=0.2)


def test_most_queries_find_nothing_at_first() -> None:
    outputs = MaskDecoder(16, 1, 2, 24, 60, 40)(pixel_features(16, ODD))
    assert abs(outputs[0].objectness.sigmoid().mean() - 0.1) < 0.05


def test_bad_arguments(as_users_call_it: None) -> None:
    with pytest.raises(ValueError, match="'heads' must divide the 16 channels, got 3"):
        MaskDecoder(16, heads=3)
    with pytest.raises(ValueError, match="'instance_queries' must be at least 0, got -1"):
        MaskDecoder(16, instance_queries=-1)
    with pytest.raises(TypeError, match=r"'layers' must be an int, got float 1\.0"):
        MaskDecoder(16, layers=1.0)  # type: ignore[arg-type]
