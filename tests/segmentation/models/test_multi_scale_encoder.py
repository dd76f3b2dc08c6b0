import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from segmentation.models.encoder import TokenEncoder
from segmentation.models.multi_scale_encoder import EncoderFeatures, MultiScaleEncoder
from tests.oracles import vits
from tests.oracles.adapter import hooked_features

MODELS = ("test_vit", "test_vit2", "tiny_qk_norm", "tiny_registers", "tiny_dinov3", "tiny_rope_mixed")
SMALL = {"embed_dim": 32, "depth": 5, "num_heads": 2}


def small(**options: Any) -> MultiScaleEncoder:
    """Makes an encoder of five blocks of width 32 in two groups."""
    defaults = {"init": "random", "options": SMALL, "interactions": 2, "heads": 2, "points": 2, "stem_channels": 8}
    return MultiScaleEncoder("vit_tiny_patch16_224", **(defaults | options))


def with_open_gates(encoder: MultiScaleEncoder) -> MultiScaleEncoder:
    """Opens the gates of injectors, and makes sampling offsets and attention weights depend on the queries."""
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if not name.startswith("vit.") and name.endswith(("gamma", "offsets.weight", "weights.weight")):
                parameter.normal_(std=0.2)
    return encoder


def equal(one: EncoderFeatures, other: EncoderFeatures) -> bool:
    pairs = zip((one.keys, *one.maps), (other.keys, *other.maps), strict=True)
    return all(torch.equal(found, expected) for found, expected in pairs)


def weighted_sum(features: EncoderFeatures) -> Tensor:
    """Sums the maps with random weights, so that the gradients of all their pixels differ."""
    generator = torch.Generator().manual_seed(1)
    maps = [found * torch.randn(found.shape, generator=generator) for found in features.maps]
    return torch.stack([found.sum() for found in maps]).sum()


def encoders_of(name: str, folder: Path, **options: Any) -> tuple[Any, MultiScaleEncoder, TokenEncoder]:
    model, path = vits.randomised(name), folder / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    encoder = MultiScaleEncoder(name, path, interactions=3, heads=2, points=2, stem_channels=8, **options)
    return model, encoder, TokenEncoder(name, path)


@pytest.mark.parametrize("freeze", [False, True], ids=["learned", "frozen"])
@pytest.mark.parametrize("name", MODELS)
def test_keys_are_those_of_the_plain_encoder_to_the_bit(name: str, freeze: bool, tmp_path: Path) -> None:
    _, encoder, plain = encoders_of(name, tmp_path, freeze=freeze)
    for height, width in ((3, 3), (2, 5)):
        pixels = torch.rand(2, 3, 16 * height, 16 * width)
        expected = plain(pixels)
        assert torch.equal(encoder(pixels).keys, expected)
        assert torch.equal(encoder.keys(pixels), expected)
    assert torch.equal(encoder.eval()(pixels).keys, expected)


@pytest.mark.parametrize("name", MODELS)
def test_injected_blocks_are_those_of_the_whole_model(name: str, tmp_path: Path) -> None:
    model, encoder, plain = encoders_of(name, tmp_path)
    with_open_gates(encoder)
    pixels = torch.rand(2, 3, 48, 32)
    found, expected = encoder(pixels), hooked_features(encoder, model, pixels)
    assert vits.distance(found.keys, expected.keys) < 1e-4
    for one, other in zip(found.maps, expected.maps, strict=True):
        assert vits.distance(one, other) < 1e-4
    assert torch.equal(encoder.keys(pixels), found.keys)
    assert vits.distance(found.keys, plain(pixels).detach()) > 0.01


def check_gates(encoder: MultiScaleEncoder, pixels: Tensor) -> None:
    losses = (lambda: encoder.keys(pixels).square().sum(), lambda: weighted_sum(encoder(pixels)))
    for loss in losses:
        gates = [injector.gamma for injector in encoder.injectors]
        for gradient in torch.autograd.grad(loss(), gates):  # type: ignore[arg-type]
            assert (gradient != 0).all()


def test_gates_have_gradients_at_the_start(tmp_path: Path) -> None:
    for name in ("test_vit", "tiny_dinov3"):
        _, encoder, _ = encoders_of(name, tmp_path)
        check_gates(encoder, torch.rand(1, 3, 48, 32))


def test_real_weights(shared: Path) -> None:
    name, path = "vit_small_patch14_dinov2", shared / "weights" / "vit_small_patch14_imgfocus.safetensors"
    encoder, plain = MultiScaleEncoder(name, path, stem_channels=8), TokenEncoder(name, path)
    with Image.open(sorted((shared / "data" / "coco").rglob("*.jpg"))[0]) as photo:
        pixels = torch.from_numpy(np.array(photo.convert("RGB").resize((126, 98)))).permute(2, 0, 1)[None] / 255
    features = encoder(pixels)
    assert torch.equal(features.keys, plain(pixels))
    assert [tuple(found.shape[1:]) for found in features.maps] == [
        (384, -(-98 // stride), -(-126 // stride)) for stride in (4, 8, 16, 32)
    ]
    check_gates(encoder, pixels)


@pytest.mark.parametrize("patch", [4, 8, 14, 16])
@pytest.mark.parametrize("grid", [(1, 1), (3, 2), (5, 7)])
def test_sizes(patch: int, grid: tuple[int, int]) -> None:
    encoder = small(options={**SMALL, "patch_size": patch, "img_size": 4 * patch})
    assert (encoder.patch_size, encoder.channels, encoder.key_channels) == (patch, 32, 32)
    height, width = patch * grid[0], patch * grid[1]
    keys, maps = encoder(torch.rand(2, 3, height, width))
    assert keys.shape == (2, grid[0] * grid[1], 32)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]
    assert [tuple(found.shape) for found in maps] == [(2, 32, *size) for size in sizes]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["test_vit2", "tiny_dinov3", "tiny_rope_mixed"])
def test_every_parameter_has_a_gradient(name: str, checkpointing: bool, tmp_path: Path) -> None:
    _, encoder, _ = encoders_of(name, tmp_path, checkpointing=checkpointing)
    pixels = torch.rand(1, 3, 80, 64)
    weighted_sum(encoder(pixels)).backward()
    assert [key for key, parameter in encoder.named_parameters() if parameter.grad is None] == []
    with_open_gates(encoder).zero_grad()
    weighted_sum(encoder(pixels)).backward()
    assert [key for key, value in encoder.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_checkpointing_changes_no_gradient() -> None:
    kept = with_open_gates(small())
    again = small(checkpointing=True)
    again.load_state_dict(kept.state_dict())
    pixels = torch.rand(2, 3, 32, 48)
    for encoder in (kept, again):
        weighted_sum(encoder(pixels)).backward()
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_frozen() -> None:
    encoder = with_open_gates(small(freeze=True)).train()
    assert len(encoder.injectors) == 0
    assert not encoder.vit.training
    assert not any(parameter.requires_grad for parameter in encoder.vit.parameters())
    pixels = torch.rand(2, 3, 32, 48)
    tokens = encoder.block_tokens(pixels)
    assert [tuple(after.shape) for after in tokens.intermediates] == [(2, 6, 32)] * 2
    assert not any(tensor.requires_grad for tensor in (tokens.keys, *tokens.intermediates, encoder.keys(pixels)))
    features = encoder(pixels)
    assert equal(features, encoder(pixels, tokens))
    assert torch.equal(features.keys, tokens.keys)
    weighted_sum(features).backward()
    learned = [value for value in encoder.parameters() if value.requires_grad]
    assert all(value.grad is not None and value.grad.any() for value in learned)
    assert all(value.grad is None for value in encoder.vit.parameters())


def test_known_tokens_skip_the_transformer(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, pixels = small(freeze=True), torch.rand(1, 3, 32, 48)
    tokens, expected = encoder.block_tokens(pixels), encoder(pixels)
    monkeypatch.setattr(encoder.vit, "embed", None)
    assert equal(encoder(pixels, tokens), expected)
    assert not equal(encoder(1 - pixels, tokens), expected)  # convolutions still see the photo


def test_smaller_photos_for_the_convolutions() -> None:
    torch.manual_seed(0)
    frozen, halved = small(freeze=True), small(freeze=True, shrink=2)
    halved.load_state_dict(frozen.state_dict())
    pixels = torch.rand(2, 3, 64, 48)
    features, expected = halved(pixels), frozen(pixels)
    assert torch.equal(features.keys, expected.keys)
    assert [tuple(found.shape[2:]) for found in features.maps] == [(8, 6), (4, 3), (2, 2), (1, 1)]
    coarse = torch.nn.functional.interpolate(frozen.vit.normalised(pixels), (32, 24), mode="bilinear", antialias=True)
    prior = halved.prior(coarse)[0]
    torch.testing.assert_close(halved._spatial_prior(halved.vit.normalised(pixels))[0], prior)


@pytest.mark.parametrize("freeze", [False, True])
def test_keys_compute_nothing_behind_them(freeze: bool) -> None:
    encoder = small(freeze=freeze)
    called: set[str] = set()
    for name, module in encoder.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    encoder.keys(torch.rand(1, 3, 32, 32))
    unneeded = ("vit.model.blocks.4.attn.proj", "vit.model.blocks.4.mlp", "extractors.1", "extra_extractors", "maps")
    assert not [name for name in called if name.startswith(unneeded)]
    if freeze:
        assert not [name for name in called if not name.startswith("vit")]
    else:
        assert {"prior", "injectors.0", "injectors.1", "extractors.0", "vit.model.blocks.3"} <= called


def test_state_round_trip_and_copies() -> None:
    encoder, other = with_open_gates(small()), small()
    pixels = torch.rand(1, 3, 48, 32)
    assert equal(encoder(pixels), encoder(pixels))
    assert equal(copy.deepcopy(encoder)(pixels), encoder(pixels))
    assert not torch.equal(other.keys(pixels), encoder.keys(pixels))
    other.load_state_dict(encoder.state_dict())
    assert equal(other(pixels), encoder(pixels))


def test_half_precision() -> None:
    encoder, pixels = with_open_gates(small()), torch.rand(2, 3, 48, 32)
    expected = encoder(pixels)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(pixels)
    weighted_sum(mixed).backward()
    half = copy.deepcopy(encoder).bfloat16()(pixels)
    assert half.maps[0].dtype == torch.bfloat16
    for found in (mixed, half):
        assert vits.distance(found.keys.float(), expected.keys.detach()) < 0.1
        for one, other in zip(found.maps, expected.maps, strict=True):
            assert vits.distance(one.float(), other.detach()) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shrink": 0}, "'shrink' must be at least 1, got 0"),
        ({"interactions": 0}, "'interactions' must be at least 1, got 0"),
        ({"interactions": 6}, "'interactions' must be at most the 5 blocks, got 6"),
        ({"heads": 3}, "'heads' must divide the width of the values, 16, got 3"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str, as_users_call_it: None) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_bad_calls(as_users_call_it: None) -> None:
    learned, frozen, pixels = small(), small(freeze=True), torch.rand(1, 3, 32, 48)
    tokens = frozen.block_tokens(pixels)
    with pytest.raises(ValueError, match="'freeze' must be True for block_tokens, got False"):
        learned.block_tokens(pixels)
    with pytest.raises(ValueError, match="'tokens' must be None unless the encoder is frozen"):
        learned(pixels, tokens)
    with pytest.raises(
        ValueError, match=r"'tokens.intermediates' must be 2 tensors of shape \[1, 4, 32\], got \[\[1, 6, 32\]"
    ):
        frozen(pixels[..., :32], tokens)
    for call in (learned, learned.keys, frozen, frozen.block_tokens):
        with pytest.raises(ValueError, match="multiples of the patch of 16, got 32 x 40"):
            call(pixels[..., :40])


@pytest.mark.parametrize("center_keys", [False, True])
def test_the_finest_map_starts_as_the_keys(center_keys: bool) -> None:
    encoder = small(options={**SMALL, "patch_size": 8, "img_size": 32}, zero_init=True, center_keys=center_keys)
    pixels = torch.rand(2, 3, 40, 24)
    features = encoder(pixels)
    keys = features.keys - features.keys.mean(1, keepdim=True) if center_keys else features.keys
    grid = keys.transpose(1, 2).unflatten(2, (5, 3))
    repeated = grid.repeat_interleave(2, 2).repeat_interleave(2, 3)  # 2 pixels of stride 4 to a patch of 8
    torch.testing.assert_close(features.maps[0], repeated, rtol=0, atol=1e-6)
    plain = small(options={**SMALL, "patch_size": 8, "img_size": 32}, center_keys=center_keys)
    assert float(features.maps[1].detach().std()) == pytest.approx(1, abs=0.1)  # the others are normalised, as without
    assert [one.shape for one in features.maps] == [one.shape for one in plain(pixels).maps]


def test_all_that_is_added_to_the_keys_is_learned() -> None:
    encoder = small(zero_init=True).train()
    weighted_sum(encoder(torch.rand(2, 3, 64, 48))).backward()
    for name in ("finest.weight", "enlarge.weight", "token_gate", "keys.0.weight"):
        gradient = encoder.maps.get_parameter(name).grad
        assert gradient is not None
        assert gradient.any(), name


def test_maps_of_another_width_cannot_start_as_the_keys() -> None:
    with pytest.raises(ValueError, match=r"'zero_init' needs maps as wide as the keys \(32\), got 16 channels"):
        small(zero_init=True, freeze=True, map_channels=16)


@pytest.mark.parametrize("freeze", [False, True])
def test_photos_are_reduced_for_the_transformer_alone(freeze: bool, tmp_path: Path) -> None:
    _, encoder, plain = encoders_of("test_vit", tmp_path, freeze=freeze, vit_shrink=2)
    assert encoder.patch_size == 32
    pixels = torch.rand(2, 3, 96, 64)
    reduced = F.interpolate(plain.vit.normalised(pixels), (48, 32), mode="bilinear", antialias=True)
    expected = plain(reduced * plain.std + plain.mean)
    features = encoder(pixels)
    torch.testing.assert_close(features.keys, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(encoder.keys(pixels), features.keys)
    assert [tuple(image.shape[2:]) for image in features.maps] == [(24, 16), (12, 8), (6, 4), (3, 2)]
    if freeze:
        assert torch.equal(encoder(pixels, encoder.block_tokens(pixels)).maps[0], features.maps[0])
    with pytest.raises(ValueError, match=r"multiples of 32, the patch of photos reduced by 2, got 96 x 80"):
        encoder(torch.rand(1, 3, 96, 80))
