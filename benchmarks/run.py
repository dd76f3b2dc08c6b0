"""Defines the options that every benchmark command takes."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from click.core import ParameterSource

from benchmarks.figure import require_matplotlib


@dataclass(frozen=True)
class Run:
    """Options of a benchmark run: threads, repeats, seed, device, and the files of its results."""

    command: str
    threads: int
    repeats: int
    seed: int
    device: torch.device
    quick: bool
    json_file: Path | None
    plot_file: Path | None

    def begin(self) -> torch.Generator:
        """Sets the number of threads of this process, seeds torch, and returns a seeded generator of inputs."""
        torch.set_num_threads(self.threads)
        torch.manual_seed(self.seed)
        return torch.Generator().manual_seed(self.seed)


_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads."),
    click.option("--repeats", default=7, show_default=True, type=click.IntRange(1), help="Measurements of each call."),
    click.option("--seed", default=0, show_default=True, help="Of the random inputs and weights."),
    click.option("--device", default="cpu", show_default=True, help="cpu or cuda."),
    click.option("--quick", is_flag=True, help="Small sizes, to see that it works."),
    click.option("--json", "json_file", type=_FILE, help="Write the results to this file."),
    click.option("--plot", "plot_file", type=_FILE, help="Draw them to this file (png, svg, pdf)."),
)


def benchmark_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options above to a command, which gets them as a :class:`Run` in its first argument."""

    @functools.wraps(command)
    def with_run(
        threads: int,
        repeats: int,
        seed: int,
        device: str,
        quick: bool,
        json_file: Path | None,
        plot_file: Path | None,
        **own: Any,
    ) -> None:
        if plot_file is not None:
            require_matplotlib()
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise click.UsageError(f"--device {device}: torch sees no CUDA device")
        line = command_line(click.get_current_context())
        run = Run(line, threads, repeats, seed, torch.device(device), quick, json_file, plot_file)
        before = torch.get_num_threads()
        try:
            command(run, **own)
        finally:
            torch.set_num_threads(before)

    for option in reversed(_OPTIONS):
        with_run = option(with_run)
    return with_run


def command_line(context: click.Context) -> str:
    """Returns the command as one would type it, without the folders of this machine."""
    words = [f"python -m benchmarks.{(context.command.name or '').replace('-', '_')}"]
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if context.get_parameter_source(option.name or "") != ParameterSource.COMMANDLINE:
            continue
        if isinstance(option, click.Option) and option.is_flag:
            words.append(option.opts[0])
            continue
        for each in value if isinstance(value, tuple) else (value,):
            words.append(f"{option.opts[0]} {each.name if isinstance(each, Path) else each}")
    return " ".join(words)
