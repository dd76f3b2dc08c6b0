"""Makes soft masks of token masks, and enlarges them to the size of the photo, along its edges."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_TEMPERATURE = 0.1
_MAX_GUIDE_PIXELS = 2**22
_CHUNK_BYTES = 2**28
_CELL = 2  # pixels per token in the small copy that the filter is fitted on
_RADIUS = 2  # radius of its windows: one token to each side
_EPSILON = 1e-4


def surroundings(masks: Bool[Tensor, "masks rows columns"]) -> Bool[Tensor, "masks rows columns"]:
    """Finds the ring of tokens around each mask, corners included."""
    return (F.max_pool2d(masks[None].float(), 3, 1, 1)[0] > 0) & ~masks


def mean_tokens(
    masks: Bool[Tensor, "masks rows columns"], tokens: Float[Tensor, "tokens channels"]
) -> Float[Tensor, "masks channels"]:
    """Averages the tokens of each mask; zero where a mask is empty."""
    weight = masks.flatten(1).to(tokens.dtype)
    return weight @ tokens / weight.sum(1, keepdim=True).clamp(min=1)


def soft_masks(
    masks: Bool[Tensor, "masks rows columns"], tokens: Float[Tensor, "tokens channels"]
) -> Float[Tensor, "masks rows columns"]:
    r"""Softens token masks so that, enlarged and cut at 0.5, their edges follow the tokens rather than the grid.

    A token t of a mask or of the ring around it belongs to the mask with
    :math:`\sigma((t \cdot (p - q) - (p \cdot p - q \cdot q) / 2) / 0.1)`, where p is the mean token of the mask and
    q that of the ring: the line half-way between both. The result is the mean of this and of the mask itself, so that
    no token changes sides by itself: only where the edge runs between two tokens changes.

    Args:
        masks: masks over the token grid, ``[S, rows, columns]``.
        tokens: unit features of the tokens, row by row, ``[rows * columns, channels]``.

    Example:
        >>> tokens = torch.tensor([[1.0, 0.0], [0.9, 0.44], [0.6, 0.8], [0.0, 1.0]])  # one row of four tokens
        >>> mask = torch.tensor([[[True, True, False, False]]])
        >>> soft_masks(mask, tokens).mul(100).round().int().tolist()
        [[[99, 85, 5, 0]]]
    """
    ring = surroundings(masks)
    inside, outside = mean_tokens(masks, tokens), mean_tokens(ring, tokens)
    middle = (inside.square().sum(1) - outside.square().sum(1)) / 2
    closer = ((inside - outside) @ tokens.T - middle.unsqueeze(1)).view(masks.shape)
    belongs = torch.sigmoid(closer / _TEMPERATURE) * (masks | ring)
    return (belongs + masks) / 2


class GuidedFilter:
    r"""Filters masks so that their edges lie where the photo has edges.

    He, Sun and Tang, *Guided Image Filtering* (2013), in its fast form (He and Sun, 2015): in every window the mask is
    a linear function of the colours, :math:`q = a^\top I + b`, fitted on a small copy of the photo; the coefficients
    are enlarged and applied to the photo itself. One filter serves all masks of a photo.

    Averaging over windows and enlarging are products with narrow-banded matrices, one for rows and one for columns.
    Only the part of the photo around each mask is worked on: elsewhere the result is zero.

    Args:
        photo: guide image, ``[3, H, W]`` in [0, 1].
        coarse: size of the small copy, ``(height, width)``.
        radius: radius of the windows, in pixels of the small copy.
        epsilon: variance of colour below which a window counts as flat.

    Example:
        >>> photo = torch.zeros(3, 8, 8)
        >>> photo[:, :, 5:] = 1  # an edge after the fifth column
        >>> blurred = torch.tensor([1.0, 1.0, 0.6, 0.0]).expand(1, 4, 4)  # a mask that ends thereabouts
        >>> (GuidedFilter(photo, (8, 8), 2, 1e-4)(blurred) > 0.5)[0, 4].int().tolist()
        [1, 1, 1, 1, 1, 0, 0, 0]
    """

    def __init__(
        self, photo: Float[Tensor, "3 height width"], coarse: tuple[int, int], radius: int = 2, epsilon: float = 1e-4
    ) -> None:
        self.photo, self.radius = photo, radius
        self.windows = [_window_means(size, radius, photo.device) for size in coarse]
        self.enlarge = [
            _enlargement(size, large, photo.device) @ means
            for size, large, means in zip(coarse, photo.shape[-2:], self.windows, strict=True)
        ]
        # first and last pixel that each cell of the small copy has a part in
        self.reach = [((matrix > 0).int().argmax(0), _last(matrix > 0)) for matrix in self.enlarge]
        self.coarse = F.interpolate(photo[None], coarse, mode="bilinear", antialias=True)[0]
        self.mean = self._window_mean(self.coarse)
        products = self._window_mean(self.coarse[:, None] * self.coarse[None])
        covariance = (products - self.mean[:, None] * self.mean[None]).permute(2, 3, 0, 1)
        flat = epsilon * torch.eye(3, device=photo.device)
        self.inverse = torch.linalg.inv(covariance + flat).permute(2, 3, 0, 1).contiguous()

    def __call__(self, masks: Float[Tensor, "masks rows columns"]) -> Float[Tensor, "masks height width"]:
        """Enlarges soft masks ``[S, h, w]`` of any size to the photo: ``[S, H, W]``, around 0 and 1."""
        small = F.interpolate(masks[None], self.coarse.shape[-2:], mode="bilinear")[0]
        mean = self._window_mean(small)
        covariance = self._window_mean(small[:, None] * self.coarse) - mean[:, None] * self.mean
        slope = torch.stack([(covariance * row).sum(1) for row in self.inverse], 1)
        offset = mean - (slope * self.mean).sum(1)
        line = torch.cat([slope, offset[:, None]], 1)
        if self.photo.shape == self.coarse.shape:  # nothing to enlarge: all masks at once
            line = self._window_mean(line)
            return (line[:, :3] * self.photo).sum(1).add_(line[:, 3])
        filtered = self.photo.new_zeros(len(masks), *self.photo.shape[-2:])
        for index, box in enumerate(self._boxes(mean > 0)):
            if box is not None:
                rows, columns, tall, wide = box
                part = self.enlarge[0][tall, rows] @ line[index, :, rows, columns] @ self.enlarge[1][wide, columns].T
                torch.addcmul(part[3], part[0], self.photo[0, tall, wide], out=filtered[index, tall, wide])
                for channel in (1, 2):
                    filtered[index, tall, wide].addcmul_(part[channel], self.photo[channel, tall, wide])
        return filtered

    def _boxes(self, touched: Tensor) -> list[tuple[slice, slice, slice, slice] | None]:
        """Finds where each mask is not zero: rows and columns of the small copy, then of the photo."""
        ends = []
        for lines, (first, last) in zip((touched.any(2), touched.any(1)), self.reach, strict=True):
            low, high = lines.int().argmax(1), _last(lines.T)
            ends += [low, high, first[low], last[high]]
        found: list[tuple[slice, slice, slice, slice] | None] = []
        for there, (a, b, c, d, e, f, g, h) in zip(
            touched.flatten(1).any(1).tolist(), torch.stack(ends, 1).tolist(), strict=True
        ):
            box = slice(a, b + 1), slice(e, f + 1), slice(c, d + 1), slice(g, h + 1)
            found.append(box if there else None)
        return found

    def _window_mean(self, x: Tensor) -> Tensor:
        return self.windows[0] @ x @ self.windows[1].T


def _window_means(size: int, radius: int, device: torch.device) -> Tensor:
    """Builds the matrix that averages over windows; pixels beyond the edge repeat the last."""
    pixel = torch.arange(size, device=device)
    matrix = torch.zeros(size, size, device=device)
    share = torch.full((size,), 1 / (2 * radius + 1), device=device)
    for step in range(-radius, radius + 1):
        matrix.index_put_((pixel, (pixel + step).clamp(0, size - 1)), share, accumulate=True)
    return matrix


def _enlargement(size: int, large: int, device: torch.device) -> Tensor:
    """Builds the matrix of bilinear enlargement, as ``F.interpolate`` does it."""
    place = ((torch.arange(large, device=device) + 0.5) * size / large - 0.5).clamp(0, size - 1)
    before = place.long()
    matrix = torch.zeros(large, size, device=device)
    pixel = torch.arange(large, device=device)
    matrix.index_put_((pixel, before), 1 - (place - before), accumulate=True)
    matrix.index_put_((pixel, (before + 1).clamp(max=size - 1)), place - before, accumulate=True)
    return matrix


def _last(flags: Tensor) -> Tensor:
    """Finds the index of the last true row of each column."""
    return flags.size(0) - 1 - flags.flip(0).int().argmax(0)


def filter_by_photo(
    soft: Float[Tensor, "masks rows columns"], photo: Float[Tensor, "3 height width"]
) -> Float[Tensor, "masks height width"]:
    """Filters soft token masks by the photo, with windows of one token around each pixel."""
    rows, columns = soft.shape[-2:]
    coarse = (min(_CELL * rows, photo.size(1)), min(_CELL * columns, photo.size(2)))
    return GuidedFilter(photo, coarse, _RADIUS, _EPSILON)(soft)


def pixel_masks(
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
) -> Iterator[Bool[Tensor, "some height width"]]:
    """Enlarges soft masks (:func:`enlarged_masks`) and cuts them at 0.5."""
    return (large > 0.5 for large in enlarged_masks(soft, photo, refine=refine))


def enlarged_masks(
    soft: Float[Tensor, "masks rows columns"],
    photo: Float[Tensor, "3 height width"],
    *,
    refine: bool,
) -> Iterator[Float[Tensor, "some height width"]]:
    """Enlarges soft masks to the size of the photo, in chunks so that memory stays bounded.

    Args:
        soft: masks on any grid over the photo, such as :func:`soft_masks`.
        photo: the photo in [0, 1].
        refine: whether to follow the edges of the photo (:class:`GuidedFilter`) instead of enlarging bilinearly. The
            filter works on at most 4 million pixels; its result is enlarged bilinearly from there.
    """
    if not len(soft):
        return
    height, width = photo.shape[-2:]
    guide = photo
    if height * width > _MAX_GUIDE_PIXELS:
        scale = (_MAX_GUIDE_PIXELS / (height * width)) ** 0.5
        size = max(1, int(height * scale)), max(1, int(width * scale))
        guide = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    step = max(1, _CHUNK_BYTES // (20 * height * width))
    for part in soft.split(step):
        large = filter_by_photo(part, guide) if refine else part
        if large.shape[-2:] != (height, width):
            large = F.interpolate(large[None], (height, width), mode="bilinear")[0]
        yield large
