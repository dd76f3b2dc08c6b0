import pytest
import torch

from segmentation.config.training import WindowSettings
from segmentation.data.windows import Window, crop_pixels, crop_tokens, random_windows


def draw(count: int = 200, side: float = 0.4, flip: float = 0.5, step: int = 3) -> list[Window]:
    return random_windows(range(count), step, 12, WindowSettings(side, flip))


def literal(window: Window, view: torch.Tensor, zoom: int) -> torch.Tensor:
    """Pixel by pixel."""
    found = torch.zeros(view.size(0), zoom * window.height, zoom * window.width)
    for y in range(found.size(1)):
        for x in range(found.size(2)):
            across = found.size(2) - 1 - x if window.flip else x
            found[:, y, x] = view[:, zoom * window.top + y, zoom * window.left + across]
    return found


def test_pixels_and_tokens_are_cut_alike() -> None:
    for step in range(5):
        windows = draw(4, step=step)
        maps = torch.rand(4, 5, 12, 12)
        pixels = maps.repeat_interleave(3, 2).repeat_interleave(3, 3)
        cut = crop_pixels(windows, pixels)
        assert torch.equal(cut, torch.stack([literal(*pair, 3) for pair in zip(windows, pixels, strict=True)]))
        tokens = crop_tokens(windows, maps.flatten(2).transpose(1, 2))
        expected = torch.stack([literal(*pair, 1) for pair in zip(windows, maps, strict=True)])
        assert torch.equal(tokens, expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("flipped", [False, True])
def test_a_box_says_where_each_token_lies(flipped: bool) -> None:
    box = torch.tensor([0.25, 0.5, 0.75, 1.0])
    centres = (torch.arange(12) + 0.5) / 12
    x, y = torch.meshgrid(centres, centres, indexing="xy")
    x = box[0] + (1 - x if flipped else x) * (box[2] - box[0])  # a mirrored view shows x1 at its left edge
    positions = torch.stack([x, box[1] + y * (box[3] - box[1])])
    for window in draw(20):
        cropped, mirrored = window.crop_box(box, flipped)
        across = (torch.arange(window.width) + 0.5) / window.width
        down = (torch.arange(window.height) + 0.5) / window.height
        across, down = torch.meshgrid(1 - across if mirrored else across, down, indexing="xy")
        expected = torch.stack(
            [cropped[0] + across * (cropped[2] - cropped[0]), cropped[1] + down * (cropped[3] - cropped[1])]
        )
        torch.testing.assert_close(crop_pixels([window], positions[None])[0], expected)


def test_whole_views_stay_as_they_are_bit_for_bit() -> None:
    for window in random_windows(range(50), 7, 9, WindowSettings()):
        pixels, box = torch.rand(3, 27, 27), torch.rand(4)
        assert torch.equal(crop_pixels([window], pixels[None])[0], pixels)
        assert torch.equal(window.crop_box(box, True)[0], box)
        assert window.crop_box(box, True)[1]


def test_a_window_depends_on_its_view_and_the_step_only() -> None:
    windows = draw()
    assert windows == draw()
    assert windows[5:9] == random_windows(range(5, 9), 3, 12, WindowSettings(0.4, 0.5))
    assert windows != draw(step=4)


def test_windows_of_a_step_have_one_size_and_lie_everywhere() -> None:
    sizes, tops, lefts, flips = set(), set(), set(), []
    for step in range(200):
        windows = draw(8, step=step)
        [size] = {(window.height, window.width) for window in windows}
        sizes.add(size)
        for window in windows:
            assert 0 <= window.top <= 12 - window.height
            assert 0 <= window.left <= 12 - window.width
            tops.add(window.top)
            lefts.add(window.left)
            flips.append(window.flip)
    assert {height for height, _ in sizes} == {width for _, width in sizes} == set(range(5, 13))
    assert tops == lefts == set(range(8))
    assert 0.4 < sum(flips) / len(flips) < 0.6


@pytest.mark.parametrize(("side", "flip"), [(0, 0), (1.1, 0), (1, -1), (1, 1.5)])
def test_refuses(side: float, flip: float) -> None:
    with pytest.raises(ValueError, match=r"views\.window\."):
        WindowSettings(side, flip)
