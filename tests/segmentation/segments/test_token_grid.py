import re

import numpy as np
import pytest
from PIL import Image

from segmentation.data.model_input import resize_photo, token_grid

RNG = np.random.default_rng(0)


def test_photos_keep_their_shape_and_cost_the_same() -> None:
    for _ in range(3000):
        height, width = (int(side) for side in RNG.integers(50, 5000, 2))
        patch = int(RNG.choice([8, 14, 16]))
        size = int(RNG.integers(4 * patch, 600))
        rows, columns = token_grid(height, width, size, patch)
        wanted = (size // patch) ** 2
        if min(rows, columns) < 2:
            continue
        assert abs(columns - rows * width / height) < 1 + 0.5 * width / height  # by less than a patch
        exact = (wanted * height / width) ** 0.5
        assert abs(rows - exact) <= 0.5
        assert abs(rows * columns - wanted) <= 0.5 * (exact * width / height) + 0.75 * (rows + columns) + 1


def test_square_photos() -> None:
    for patch, size in ((8, 224), (14, 518), (16, 100)):
        assert token_grid(333, 333, size, patch) == (size // patch, size // patch)
    assert token_grid(1, 1, 224, 16) == (14, 14)
    assert token_grid(9, 9, 16, 16) == (1, 1)


def test_thin_photos() -> None:
    assert token_grid(1, 500, 96, 16) == (1, 36)
    assert token_grid(500, 1, 96, 16) == (36, 1)
    assert token_grid(100000, 1, 518, 14) == (37 * 37, 1)
    assert token_grid(2, 30, 96, 16) == (2, 23)
    for width in range(1, 3000, 7):
        rows, columns = token_grid(3, width, 96, 16)
        assert min(rows, columns) >= 1
        assert max(rows, columns) <= 36
        assert rows * columns <= 72


def test_turned_photos_have_turned_costs() -> None:
    for height, width in RNG.integers(20, 2000, (300, 2)).tolist():
        rows, columns = token_grid(height, width, 224, 16)
        other_columns, other_rows = token_grid(width, height, 224, 16)
        assert abs(rows - other_rows) <= 1 + height / width
        assert abs(columns - other_columns) <= 1 + width / height


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((10, 10, 13, 14), ValueError, "'size' must be at least 14, got 13"),
        ((0, 10, 28, 14), ValueError, "'height' must be at least 1, got 0"),
        ((10, -1, 28, 14), ValueError, "'width' must be at least 1, got -1"),
        ((10, 10, 28, 0), ValueError, "'patch_size' must be at least 1, got 0"),
        ((10, 10, 28.0, 14), TypeError, "'size' must be an int, got float 28.0"),
        ((10, "10", 28, 14), TypeError, "'width' must be an int, got str '10'"),
        ((True, 10, 28, 14), TypeError, "'height' must be an int, got bool True"),
    ],
)
def test_bad_arguments(
    arguments: tuple[int, int, int, int], error: type[Exception], message: str, as_users_call_it: None
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        token_grid(*arguments)


def test_resized_photos() -> None:
    photo = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    found = resize_photo(photo, 48, 64)
    assert found.shape == (3, 48, 64)
    np.testing.assert_array_equal(
        (found * 255).round().byte().permute(1, 2, 0).numpy(),
        np.array(Image.fromarray(photo).resize((64, 48), Image.Resampling.BICUBIC)),
    )
    np.testing.assert_array_equal(resize_photo(photo[:, ::-1], 48, 64), resize_photo(photo[:, ::-1].copy(), 48, 64))
    flat = resize_photo(np.full((900, 1200, 3), 51, dtype=np.uint8), 16, 32)
    np.testing.assert_allclose(flat, 0.2, atol=1e-6)
    assert resize_photo(photo[:1, :1], 96, 96).shape == (3, 96, 96)
