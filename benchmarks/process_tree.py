"""Memory of a process and of all those that it started."""

from pathlib import Path

_PROC = Path("/proc")


def proportional_bytes(process: int | None) -> int | None:
    """Memory of a process and its descendants, pages that several share counted once; ``None`` where that is not told
    (not Linux, or the process has ended).
    """
    if process is None or not (_PROC / "self/smaps_rollup").exists():
        return None
    total = 0
    for number in [process, *_descendants(process)]:
        try:
            lines = (_PROC / str(number) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total or None


def _descendants(process: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [process]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found
