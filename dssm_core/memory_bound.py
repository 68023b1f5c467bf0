"""Whether what something needs fits into the memory that is free; if not, what is too large, and a value that fits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dssm_core.config import KEYS, Config, differences, flatten, unflatten
from dssm_core.errors import UserError
from dssm_core.free_memory import in_words


@dataclass(frozen=True)
class Part:
    """Something held in memory: what it is and how many bytes.

    `knobs` make it so large; `instead`: what to do where there are none.
    """

    what: str
    bytes: float
    knobs: tuple[str, ...] = ()
    instead: str = ""


@dataclass(frozen=True)
class Need:
    """All that is held at the moment when it is most."""

    parts: tuple[Part, ...]

    @property
    def bytes(self) -> float:
        """Their sum."""
        return float(sum(part.bytes for part in self.parts))


def check_fits(config: Config, estimate: Callable[[Config], Need], free: int, what: str = "the run") -> Need:
    """What `estimate` says of a config; a UserError where that is more than `free` bytes.

    It names what takes most and, where there is one, a lower value of a knob that would fit.
    """
    need = estimate(config)
    if need.bytes <= free:
        return need
    largest = sorted(need.parts, key=lambda part: -part.bytes)
    most = largest[0]
    knobs = [knob for part in largest for knob in sorted(part.knobs, key=lambda knob: -_turned_up(config, knob))]
    name = f"{knobs[0]}={flatten(config)[knobs[0]]}" if most.knobs else most.what if most.instead else what
    knobs, fits = dict.fromkeys(knobs), lambda other: estimate(other).bytes <= free
    lower = _that_fits(config, knobs, fits) or _that_fit_together(config, knobs, fits)
    raise UserError(
        f"{name} does not fit into memory: {what} needs about {in_words(need.bytes)}, of which {in_words(most.bytes)} "
        f"for {most.what}, and {in_words(free)} are free: {lower or most.instead or _OTHERWISE}"
    )


_OTHERWISE = "make more memory free, or take a smaller part of the log"


def _turned_up(config: Config, knob: str) -> float:
    """How far a knob is above where it usually stands."""
    value, usual = flatten(config)[knob], KEYS[knob]
    if isinstance(value, str):
        return 1.0
    return sum(value) / sum(usual) if isinstance(value, list) else value / max(1, usual)


def _that_fits(config: Config, knobs: Iterable[str], fits: Callable[[Config], bool]) -> str:
    """Which of the knobs to lower, and to what, or ""."""
    for knob in knobs:
        value = flatten(config)[knob]
        while (value := _lower(knob, value)) and (lower := _turned(config, knob, value)):
            if fits(lower):
                return f"set {_told(knob, value)}"
    return ""


def _that_fit_together(config: Config, knobs: Iterable[str], fits: Callable[[Config], bool]) -> str:
    """To what to lower all of the knobs, step by step and each as far as it goes, or ""."""
    lower, going = config, set(knobs)
    while going:
        for knob in sorted(going):
            value = _lower(knob, flatten(lower)[knob])
            turned = _turned(lower, knob, value) if value else None
            lower, going = (turned, going) if turned else (lower, going - {knob})
        if fits(lower):
            values = flatten(lower)
            return "set " + " and ".join(_told(knob, values[knob]) for knob in differences(config, lower))
    return ""


def _turned(config: Config, knob: str, value: int | list[int] | str) -> Config | None:
    """The config with another value; None where that is below the knob's least, or at odds with another."""
    try:
        return unflatten({**flatten(config), knob: value})
    except UserError:
        return None


def _told(knob: str, value: int | list[int] | str) -> str:
    return f"{knob}={','.join(map(str, value)) if isinstance(value, list) else value}"


def _lower(knob: str, value: int | list[int] | str) -> int | list[int] | str:
    """The next lower value: half of a number, or none; an index that takes less; lists without the longest."""
    if knob == "eval.k":
        return sorted(value)[:-1]
    if isinstance(value, list):
        return [number // 2 for number in value]
    return _LIGHTER.get(value, "") if isinstance(value, str) else value // 2


_LIGHTER = {"annoy": "ivf", "ivf": "exact"}
"""The index that takes less memory than another."""
