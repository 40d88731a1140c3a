"""Members of enumerations by their names."""

from enum import Enum
from typing import TypeVar

from neurornn import _check

E = TypeVar("E", bound=Enum)


def member(owner: str, name: str, kind: type[E], value: "E | str") -> E:
    """Return the member of `kind` that `value` is or names, or refuse."""
    if isinstance(value, kind):
        return value
    if value not in {one.value for one in kind}:
        fix = _check.near(str(value), [one.value for one in kind])
        _check.fail(owner, name, f"a member of {kind.__name__}", value, fix)
    return kind(value)
