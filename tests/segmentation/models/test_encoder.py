import copy
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from segmentation.models.encoder import TokenEncoder
from tests.oracles import vits

MODELS = {
    "test_vit": "class token",
    "test_vit2": "a register, no class token, LayerScale",
    "test_vit3": "pooled by attention",
    "test_vit4": "RMS norm",
    "tiny_qk_norm": "keys are normed",
    "tiny_registers": "class token and registers without position",
    "tiny_swiglu": "gated MLP",
    "tiny_dinov3": "rotary embeddings",
    "tiny_rope_mixed": "rotary embeddings of their own in each block",
    "deit_tiny_distilled_patch16_224": "two prefix tokens",
    "vit_tiny_r_s16_p8_224": "convolutions in front",
    "vit_pe_spatial_tiny_patch16_512": "no norm behind",
}


def loaded(name: str, folder: Path) -> tuple[Any, TokenEncoder]:
    """Makes a whole model, and the encoder with its weights."""
    model, path = vits.randomised(name), folder / "weights.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    return model, TokenEncoder(name, path)


@pytest.mark.parametrize("name", MODELS)
def test_keys_are_those_of_the_whole_model(name: str, tmp_path: Path) -> None:
    model, encoder = loaded(name, tmp_path)
    side = encoder.patch_size
    for height, width in ((3, 3), (2, 5), (6, 1)):
        pixels = torch.rand(2, 3, side * height, side * width)
        found = encoder(pixels)
        assert found.shape == (2, height * width, encoder.channels)
        assert vits.distance(found, vits.keys(model, pixels)) < 1e-5
    own = torch.rand(1, 3, *model.pretrained_cfg["input_size"][1:])
    assert vits.distance(encoder(own), vits.keys(model, own)) < 1e-5


def test_keys_are_the_middle_third_of_the_projection(tmp_path: Path) -> None:
    model, encoder = loaded("test_vit", tmp_path)
    pixels = torch.rand(2, 3, 48, 80)
    assert vits.distance(encoder(pixels), vits.keys_of_qkv(model, pixels)) < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_only_what_keys_need_is_kept(name: str, tmp_path: Path) -> None:
    model, encoder = loaded(name, tmp_path)
    last, kept = model.blocks[-1], [parameter.detach() for parameter in encoder.parameters()]
    needed = {*last.norm1.parameters(), *last.attn.qkv.parameters(), *last.attn.k_norm.parameters()}
    for parameter in set(last.parameters()) - needed:
        assert not any(torch.equal(parameter, other) for other in kept)
    encoder(torch.rand(1, 3, 3 * encoder.patch_size, 3 * encoder.patch_size)).square().sum().backward()
    unused = [key for key, parameter in encoder.named_parameters() if parameter.grad is None]
    assert unused == []
    assert not encoder.training


def test_pixels_are_normalised_as_the_tag_says() -> None:
    for name in ("vit_tiny_patch16_224", "deit_tiny_patch16_224"):
        encoder = TokenEncoder(name, init="random")
        config = timm.get_pretrained_cfg(name)
        assert config is not None
        assert torch.equal(encoder.mean.flatten(), torch.tensor(config.mean))
        assert torch.equal(encoder.std.flatten(), torch.tensor(config.std))
    assert encoder.state_dict().keys().isdisjoint({"mean", "std"})


def test_half_precision_and_copies(tmp_path: Path) -> None:
    model, encoder = loaded("tiny_qk_norm", tmp_path)
    pixels = torch.rand(1, 3, 64, 48)
    half = copy.deepcopy(encoder).bfloat16()
    assert half(pixels).dtype == torch.bfloat16
    assert vits.distance(half(pixels).float(), vits.keys(model, pixels)) < 0.05
    assert vits.distance(encoder(pixels), vits.keys(model, pixels)) < 1e-5


def test_photos_of_any_sizes_are_encoded_in_their_order() -> None:
    encoder = TokenEncoder("test_vit", init="random")
    photos = [torch.rand(3, 16 * rows, 16 * columns) for rows, columns in ((3, 2), (1, 4), (3, 2))]
    for keys, photo in zip(encoder.encode_photos(photos), photos, strict=True):
        assert torch.equal(keys, encoder(photo[None])[0])
    assert encoder.encode_photos([]) == []


def test_photos_of_one_size_are_one_batch_on_other_devices() -> None:
    encoder, batches = TokenEncoder("test_vit", init="random").to("meta"), []
    encoder.register_forward_pre_hook(lambda _module, inputs: batches.append(tuple(inputs[0].shape)))
    sizes = ((3, 2), (1, 4), (3, 2), (2, 3))
    photos = [torch.empty(3, 16 * rows, 16 * columns, device="meta") for rows, columns in sizes]
    assert [len(keys) for keys in encoder.encode_photos(photos)] == [rows * columns for rows, columns in sizes]
    assert batches == [(1, 3, 16, 64), (1, 3, 32, 48), (2, 3, 48, 32)]


def test_random_weights_differ_and_are_asked_for() -> None:
    one, other = (TokenEncoder("test_vit", init="random") for _ in range(2))
    assert not torch.equal(one.keys[0].key.weight, other.keys[0].key.weight)
    with pytest.raises(ValueError, match="'init' must be one of 'pretrained', 'random', got 'none'"):
        TokenEncoder("test_vit", init="none")
    with pytest.raises(ValueError, match="'weights' and init='random' exclude each other"):
        TokenEncoder("test_vit", "weights.safetensors", init="random")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "vit_smal_patch14_dinov2",
            "a timm model, got 'vit_smal_patch14_dinov2'; close: .*vit_small",
        ),
        ("vit_base_patch8_224.dinoo", r"got 'vit_base_patch8_224.dinoo'; close: .*vit_base_patch8_224\.dino"),
        ("??", r"must be the name of a timm model, got '\?\?'$"),
        ("resnet18", "must be a vision transformer that takes photos of any size, got 'resnet18'"),
        ("beit_base_patch16_224", "takes photos of any size"),
        ("swin_tiny_patch4_window7_224", "must be a vision transformer with attn.qkv after a norm"),
        ("tiny_post_norm", "attn.qkv after a norm in its last block, got 'tiny_post_norm'"),
    ],
)
@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_models_that_have_no_such_keys(name: str, message: str, init: str) -> None:
    with pytest.raises(ValueError, match=f"^'name' .*{message}"):
        TokenEncoder(name, init=init)


def pretrained_from(monkeypatch: pytest.MonkeyPatch, hub: Any) -> None:
    """Replaces timm's hub by one that gives a model, or an error."""
    create = timm.create_model

    def patched(name: str, *args: Any, pretrained: bool = False, **options: Any) -> nn.Module:
        if not pretrained:
            return create(name, *args, **options)
        if isinstance(hub, Exception):
            raise hub
        return copy.deepcopy(hub)

    monkeypatch.setattr(timm, "create_model", patched)


def test_pretrained_weights_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    model = vits.randomised("test_vit", num_classes=0)
    pretrained_from(monkeypatch, model)
    pixels = torch.rand(1, 3, 32, 48)
    assert vits.distance(TokenEncoder("test_vit.r160_in1k")(pixels), vits.keys(model, pixels)) < 1e-5


@pytest.mark.parametrize(
    "error", [OSError("no route to host\nmore"), RuntimeError(""), TypeError("odd"), KeyError("sha")], ids=repr
)
def test_a_hub_out_of_reach_is_an_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained_from(monkeypatch, error)
    message = r"^the pretrained weights of 'test_vit' could not be had .*\(.+\). Give a file with --weights FILE"
    with pytest.raises(ConnectionError, match=message) as caught:
        TokenEncoder("test_vit")
    assert "\n" not in str(caught.value)


def test_a_model_without_pretrained_weights() -> None:
    with pytest.raises(ValueError, match="'name' must be a model with pretrained weights, or 'weights' a file of them"):
        TokenEncoder("vit_base_patch16_gap_224")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.rand(1, 3, 32, 40), "multiples of the patch of 16, got 32 x 40"),
        (torch.rand(1, 3, 31, 32), "got 31 x 32"),
        (torch.rand(1, 3, 0, 32), "got 0 x 32"),
        (torch.rand(1, 1, 32, 32), r"'pixels' must have 3 channels, got .*\[1, 1, 32, 32\]"),
        (torch.rand(3, 32, 32), "'pixels' must have 4 dimensions"),
        (
            torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
            "'pixels' must be .* floating point, got a uint8",
        ),
    ],
)
def test_bad_pixels(pixels: Tensor, message: str, as_users_call_it: None) -> None:
    encoder = TokenEncoder("test_vit", init="random")
    with pytest.raises((ValueError, TypeError), match=message):
        encoder(pixels)


def test_a_name_that_is_no_text(as_users_call_it: None) -> None:
    with pytest.raises(TypeError, match=re.escape("'name' must be a str, got int 3")):
        TokenEncoder(3)  # type: ignore[arg-type]
