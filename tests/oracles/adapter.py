"""The ViT adapter around a whole timm model, by hooks on its blocks."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segmentation.models.adapter import Layout
from segmentation.models.layers import as_pixels
from segmentation.models.multi_scale_encoder import EncoderFeatures, MultiScaleEncoder
from tests.oracles import vits


@torch.no_grad()
def hooked_features(encoder: MultiScaleEncoder, model: Any, pixels: Tensor) -> EncoderFeatures:
    """Features with the parameters of ``encoder``: tokens are injected before a group, read by the maps after it."""
    mean, std = (torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    finest, *coarser = encoder.prior((pixels - mean) / std)
    maps = [
        F.conv2d(found, layer.weight, layer.bias) + level[None, :, None, None]  # type: ignore[arg-type]
        for found, layer, level in zip(coarser, encoder.projections, encoder.level_embeddings, strict=True)
    ]
    grid = (pixels.size(2) // encoder.patch_size, pixels.size(3) // encoder.patch_size)
    layout, stages, prefix = Layout.of(grid, maps), [], model.num_prefix_tokens
    now = as_pixels(maps)
    depth, count = len(model.blocks), len(encoder.extractors)
    handles = []
    for index in range(count):

        def inject(_block: Any, inputs: Any, index: int = index) -> Any:
            tokens = inputs[0].clone()
            tokens[:, prefix:] = encoder.injectors[index](tokens[:, prefix:], now, layout)
            return (tokens, *inputs[1:])

        def extract(_block: Any, _inputs: Any, output: Tensor, index: int = index) -> None:
            nonlocal now
            stages.append(output[:, prefix:])
            now = encoder.extractors[index](now, stages[-1], layout)

        handles.append(model.blocks[depth * index // count].register_forward_pre_hook(inject))
        handles.append(model.blocks[depth * (index + 1) // count - 1].register_forward_hook(extract))
    keys = vits.keys(model, pixels)
    for handle in handles:
        handle.remove()
    for extractor in encoder.extra_extractors:
        now = extractor(now, stages[-1], layout)
    return EncoderFeatures(keys, encoder.maps(finest, now, stages, keys, layout))
