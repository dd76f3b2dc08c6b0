"""Mask2Former's decoders as transformers has them, and their weights in our modules."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former import modeling_mask2former as reference

from segmentation.models.deformable_attention import DeformableAttention
from segmentation.models.mask_decoder import Attention, MaskDecoder, MaskedAttentionLayer
from segmentation.models.pixel_decoder import PixelDecoder


def randomise(module: nn.Module) -> None:
    """Every parameter of a size that shows in the result: zero biases and equal norms would hide mistakes."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * parameter[0].numel() ** -0.5)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.3)


def kept_for_gradients(call: Callable[[], object]) -> int:
    """Counts the numbers that autograd keeps for the backward pass of a call."""
    saved: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        saved[x.data_ptr()] = x.numel()  # what several steps need is kept once
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        outputs = call()
    del outputs  # so late that no memory is given out twice
    return sum(saved.values())


def deformable_attention(channels: int, heads: int, levels: int, points: int) -> tuple[nn.Module, DeformableAttention]:
    """Theirs and ours, with the same random weights."""
    theirs = reference.Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention(channels, heads, levels, points)
    randomise(theirs)
    ours = DeformableAttention(channels, heads, levels, points)
    _copy_deformable(theirs, ours)
    return theirs.eval(), ours


def pixel_decoder(
    in_channels: int, channels: int, layers: int, heads: int, feedforward: int
) -> tuple[nn.Module, PixelDecoder]:
    """Theirs and ours, with the same random weights."""
    config = _config(channels, heads, encoder_layers=layers, encoder_feedforward_dim=feedforward)
    theirs = reference.Mask2FormerPixelDecoder(config, [in_channels] * 4)
    randomise(theirs)
    ours = PixelDecoder(in_channels, channels, layers, heads, 4, feedforward)
    for target, source in zip(ours.projections, theirs.input_projections, strict=True):
        target.load_state_dict(source.state_dict())
    _copy(theirs.level_embed, ours.scale_embedding)
    for layer, given in zip(ours.layers, theirs.encoder.layers, strict=True):
        _copy_deformable(given.self_attn, layer.attention)
        _copy_parts(
            (given.self_attn_layer_norm, layer.attention_norm),
            (given.fc1, layer.feedforward[0]),
            (given.fc2, layer.feedforward[2]),
            (given.final_layer_norm, layer.feedforward_norm),
        )
    _copy_parts(
        (theirs.adapter_1, ours.lateral), (theirs.layer_1, ours.fuse), (theirs.mask_projection, ours.mask_projection)
    )
    return theirs.eval(), ours


def mask_decoder(
    channels: int, layers: int, heads: int, feedforward: int, queries: tuple[int, int]
) -> tuple[nn.Module, MaskDecoder]:
    """Theirs and ours, with the same random weights; our level tokens are zero, which theirs has not."""
    config = _config(channels, heads, decoder_layers=layers + 1, dim_feedforward=feedforward, num_queries=sum(queries))
    theirs = reference.Mask2FormerTransformerModule(channels, config)
    randomise(theirs)
    ours = MaskDecoder(channels, layers, heads, feedforward, *queries)
    nn.init.zeros_(ours.level_tokens)
    _copy(theirs.queries_features.weight, ours.query_features)
    _copy(theirs.queries_embedder.weight, ours.query_positions)
    _copy(theirs.level_embed.weight, ours.scale_embedding)
    for layer, given in zip(ours.layers, theirs.decoder.layers, strict=True):
        _copy_layer(given, layer)
    embedder = theirs.decoder.mask_predictor.mask_embedder.layers
    _copy_parts(
        (theirs.decoder.layernorm, ours.norm),
        *((embedder[index].layers[0], ours.mask_embedding[2 * index]) for index in range(3)),
    )
    return theirs.eval(), ours


def _config(channels: int, heads: int, **sizes: Any) -> Mask2FormerConfig:
    return Mask2FormerConfig(
        feature_size=channels,
        mask_feature_size=channels,
        hidden_dim=channels,
        num_attention_heads=heads,
        dropout=0.0,
        enforce_input_projection=False,
        **sizes,
    )


def _copy(source: Tensor, target: Tensor) -> None:
    with torch.no_grad():
        assert source.shape == target.shape
        target.copy_(source)


def _copy_parts(*pairs: tuple[nn.Module, nn.Module]) -> None:
    for source, target in pairs:
        target.load_state_dict(source.state_dict())


def _copy_deformable(theirs: Any, ours: DeformableAttention) -> None:
    _copy_parts(
        (theirs.sampling_offsets, ours.offsets),
        (theirs.attention_weights, ours.weights),
        (theirs.value_proj, ours.value),
        (theirs.output_proj, ours.output),
    )


def _copy_layer(theirs: Any, ours: MaskedAttentionLayer) -> None:
    cross: Attention = ours.cross_attention
    for index, target in enumerate((cross.query, cross.key, cross.value)):
        _copy(theirs.cross_attn.in_proj_weight.chunk(3)[index], target.weight)
        _copy(theirs.cross_attn.in_proj_bias.chunk(3)[index], target.bias)
    own = ours.self_attention
    _copy_parts(
        (theirs.cross_attn.out_proj, cross.output),
        (theirs.cross_attn_layer_norm, ours.cross_norm),
        (theirs.self_attn.q_proj, own.query),
        (theirs.self_attn.k_proj, own.key),
        (theirs.self_attn.v_proj, own.value),
        (theirs.self_attn.out_proj, own.output),
        (theirs.self_attn_layer_norm, ours.self_norm),
        (theirs.fc1, ours.feedforward[0]),
        (theirs.fc2, ours.feedforward[2]),
        (theirs.final_layer_norm, ours.feedforward_norm),
    )
