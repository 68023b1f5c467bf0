"""The exceptions that people see."""

from collections.abc import Iterable


class UserError(Exception):
    """A mistake its user can mend: one plain sentence naming the offender, what was expected and what to do."""


class Damaged(UserError):
    """A file of the workspace that is not as it was written; it is told, and never loaded."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UserError:
    """The error for a name that is in none of our dicts; lists those that are."""
    choices = ", ".join(sorted(known))
    known_ones = f"one of {choices}" if choices else "there is none to name"
    return UserError(f"unknown {kind} {str(name)!r}: {known_ones}")
