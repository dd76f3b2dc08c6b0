"""Public names of a package that are imported when they are first asked for."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, names_of: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes ``__getattr__`` and ``__dir__`` of a package (PEP 562), so that importing it loads no library.

    Args:
        package: name of the package.
        names_of: public names of each module.

    Example:
        >>> getter, _ = lazy_names("graphpool", {"math": ("pi",)})
        >>> getter("pi")
        3.141592653589793
    """
    modules = {name: module for module, names in names_of.items() for name in names}

    def import_name(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return import_name, list_names
