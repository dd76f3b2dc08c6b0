"""Segments of a noisy scene, found by Online Agglomerative Pooling: no labels, no training, nothing to download.

Draws a small scene of textured regions as tokens, pools it, and prints the levels side by side.
"""

import time

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool import OnlineAgglomerativePooling, Partition, grid_graph

COLORS = (196, 40, 33, 220, 129, 208, 51, 201, 118, 63, 160, 228, 30, 213, 94, 250)


def scene(size: int, channels: int, noise: float) -> tuple[Tensor, Tensor]:
    """Tokens ``[size * size, channels]`` of a person on a field under the sky, and the part that each belongs to.

    Head and body look alike, as do the two clouds: the hierarchy should find that out.
    """
    row, column = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    part = torch.where(row < 0.55, 0, 1)  # sky, field

    def disc(y: float, x: float, height: float, width: float) -> Tensor:
        return ((row - y) / height) ** 2 + ((column - x) / width) ** 2 < 1

    for place in (disc(0.18, 0.22, 0.1, 0.18), disc(0.12, 0.76, 0.08, 0.16)):
        part = torch.where(place, 2, part)  # clouds
    part = torch.where(disc(0.68, 0.5, 0.24, 0.13), 3, part)  # body
    part = torch.where(disc(0.4, 0.5, 0.11, 0.09), 4, part)  # head
    look = F.normalize(torch.randn(5, channels), dim=1)
    look[4] = F.normalize(0.55 * look[3] + 0.45 * look[4], dim=0)  # a head looks somewhat like its body
    look[2] = F.normalize(0.25 * look[0] + 0.75 * look[2], dim=0)
    tokens = look[part.flatten()] + noise * F.normalize(torch.randn(size * size, channels), dim=1)
    return tokens, part


def draw(panels: list[Tensor]) -> str:
    """Label maps ``[size, size]`` beside each other, two rows of tokens to a line of text; 0 is left blank."""
    lines = []
    for row in range(0, panels[0].size(0) - 1, 2):
        line = []
        for panel in panels:
            for upper, lower in zip(panel[row].tolist(), panel[row + 1].tolist(), strict=True):
                above, below = (COLORS[label % len(COLORS)] if label else 235 for label in (upper, lower))
                line.append(f"\033[38;5;{above}m\033[48;5;{below}m\u2580")
            line.append("\033[0m  ")
        lines.append("".join(line))
    return "\n".join(lines)


def label_map(partition: Partition, size: int) -> Tensor:
    """The kept segments by number, largest first, from 1; tokens of no segment are 0."""
    rank = torch.where(partition.keep, partition.area, -1).argsort(descending=True, stable=True).argsort() + 1
    return (rank * partition.keep)[partition.cluster].view(size, size)


@click.command(help=__doc__)
@click.option("--size", default=32, show_default=True, help="Tokens along a side of the scene.")
@click.option("--noise", default=0.6, show_default=True, help="Length of the noise on tokens of length one.")
@click.option("--seed", default=0, show_default=True)
def main(size: int, noise: float, seed: int) -> None:
    torch.manual_seed(seed)
    tokens, part = scene(size, 64, noise)
    edges = grid_graph(size, size)
    pool = OnlineAgglomerativePooling()
    pool(tokens, edges)  # once to warm up
    start = time.perf_counter()
    hierarchy = pool(tokens, edges)
    duration = time.perf_counter() - start

    levels = hierarchy.levels
    click.echo(f"scene, then instance segments at thresholds {', '.join(f'{level.threshold:g}' for level in levels)}:")
    click.echo(draw([part + 1, *(label_map(level.instance, size) for level in levels)]), color=True)
    click.echo("semantic segments:")
    blank = torch.zeros_like(part)
    semantic = [level.semantic for level in levels if level.semantic is not None]
    click.echo(draw([blank, *(label_map(partition, size) for partition in semantic)]), color=True)
    click.echo()
    click.echo("threshold  instance segments  semantic segments  largest (tokens)")
    for level, merged in zip(levels, semantic, strict=True):
        instance = level.instance
        click.echo(
            f"{level.threshold:9.1f}  {int(instance.keep.sum()):17d}  {int(merged.keep.sum()):17d}  "
            f"{int(instance.area.max()):16d}"
        )
    tree = hierarchy.instance_tree
    click.echo(
        f"\n{tree.parent.numel()} different segments of {tokens.size(0)} tokens, "
        f"{int((tree.parent < 0).sum())} of them at the top of the tree, in {1000 * duration:.1f} ms"
    )


if __name__ == "__main__":
    main()
