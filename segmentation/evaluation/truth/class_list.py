"""The classes of a data set, in the order in which scores count them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set. What the metrics call a class is its place in this list.

    Attributes:
        names: each once.
        is_thing: of each, whether it has instances.
        place_of: place of the class by the id that the data set's own files have; several ids may be one class, and ids
            that are not in it are of no class.

    Raises:
        ValueError: lists of different lengths, a name that is there twice, or a place that there is not.

    Example:
        >>> classes = ClassList(("sky", "car"), (False, True), {23: 0, 26: 1, 27: 1})
        >>> len(classes), classes.place_of.get(27), classes.place_of.get(0), classes.things
        (2, 1, None, (1,))
    """

    names: tuple[str, ...]
    is_thing: tuple[bool, ...]
    place_of: Mapping[int, int]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.is_thing):
            raise ValueError(f"'is_thing' must be of the {len(self.names)} classes, got {len(self.is_thing)}")
        twice = [name for name, number in Counter(self.names).items() if number > 1]
        if twice:
            raise ValueError(f"'names' must have each class once, got {twice[0]!r} twice")
        strange = sorted(set(self.place_of.values()) - set(range(len(self.names))))
        if strange:
            raise ValueError(f"'place_of' must hold places in the {len(self.names)} names, got {strange[0]}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def things(self) -> tuple[int, ...]:
        """Places of the classes with instances."""
        return tuple(place for place, is_thing in enumerate(self.is_thing) if is_thing)
