"""Every numeric knob at its bounds, one below and one above, read from the config's own schema."""

import math
from typing import get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from dssm_core.cli import main
from dssm_core.config import KEYS, Config, with_settings
from dssm_core.errors import UserError

FLOAT_STEP = 1e-9


def _made_of(annotation) -> tuple:
    """What an annotation is made of, such as a number and its limits."""
    return get_args(annotation) or (None,)


def bounds(key: str) -> tuple[FieldInfo, type, list] | None:
    """The field, its kind of number and its limits, also of the numbers in a list or a dict; None for other knobs."""
    section, _, name = key.rpartition(".")
    field = (Config.model_fields[section].annotation if section else Config).model_fields[name]
    for kind, *infos in map(_made_of, get_args(field.annotation)):
        if kind in (int, float):
            return field, kind, infos[0].metadata
    kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if kind in (int, float)]
    return (field, kinds[0], field.metadata) if kinds else None


NUMERIC = [key for key in KEYS if bounds(key)]


def setting(key: str, number: float) -> str:
    """What is typed to turn a knob to a number."""
    if key == "tower.field_dims":
        return f'{key}={{"device": {number}}}'
    return f"{key}={number!r}"


def least_and_most(key: str) -> tuple[float, float]:
    """The first and the last number that a knob takes."""
    _, kind, limits = bounds(key)
    step = 1 if kind is int else FLOAT_STEP
    low = next(limit.ge if isinstance(limit, Ge) else limit.gt + step for limit in limits if isinstance(limit, Ge | Gt))
    high = next(
        limit.le if isinstance(limit, Le) else limit.lt - step for limit in limits if isinstance(limit, Le | Lt)
    )
    return low, high


def around(key: str) -> list[float]:
    """The numbers next to the bounds, outside."""
    _, kind, _ = bounds(key)
    low, high = least_and_most(key)
    step = 1 if kind is int else 2 * FLOAT_STEP
    return [low - step, high + step]


BESIDE = {
    "negatives.shared": "negatives.strategy=uniform",
    "negatives.rank_from": "negatives.rank_to=10000",
    "tower.field_dims": "tower.embedding_dim=1024",
    "tower.embedding_dim": "tower.field_dims={}",
}
"""What else must be turned for a knob to reach its bounds."""


def test_there_are_numbers_to_try():
    assert {"tower.dim", "index.trees", "eval.k", "tower.hidden", "tower.field_dims", "loss.temperature"} <= {*NUMERIC}


@pytest.mark.parametrize("key", NUMERIC)
def test_a_number_is_taken_at_its_bounds_and_refused_by_name_beyond(key):
    for number in least_and_most(key):
        with_settings(Config(), [setting(key, number), *([BESIDE[key]] if key in BESIDE else [])])
    for number in around(key):
        with pytest.raises(UserError, match=f"^bad value .* for {key}"):
            with_settings(Config(), [setting(key, number)])


@pytest.mark.parametrize("key", NUMERIC)
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400, "-5", "two", "", "[[1]]"])
def test_what_is_no_number_or_none_of_this_world_is_refused_by_name(key, text):
    if text == "-5" and math.isclose(least_and_most(key)[0], -5):
        return
    if text == "" and key in ("tower.hidden", "eval.k"):
        text = "[0]"
    with pytest.raises(UserError, match=f"^bad value .* for {key}"):
        with_settings(Config(), [f"{key}={text}"])


@pytest.mark.parametrize("key", NUMERIC)
def test_the_command_line_refuses_a_number_out_of_bounds_with_exit_code_2(key, capsys, tmp_path):
    for number in around(key):
        code = main(["train", "--dataset", "none", "--set", setting(key, number), "--home", str(tmp_path), "--json"])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert f"for {key}" in err and "Traceback" not in err


ZEROS = [
    *(["demo", f"--{size}", "0"] for size in ("users", "articles", "days")),
    *(
        ["sweep", "--dataset", "tasty", "--presets", "in_batch", f"--{knob}", "0"]
        for knob in ("seeds", "jobs", "positives")
    ),
    ["recall", "taught", "--user", "u001", "-k", "0"],
    ["index-loss", "taught", "-k", "0"],
    ["evaluate", "taught", "-k", "0"],
    ["evaluate", "taught", "-k", "10,0"],
    *(["evaluate", "taught", "--set", f"{knob}=0"] for knob in ("index.trees", "index.probes", "eval.users")),
    ["train", "--dataset", "tasty", "--seed", "-1"],
]


@pytest.mark.parametrize("command", ZEROS, ids=" ".join)
def test_a_zero_is_refused_by_every_command_that_takes_a_number(command, trained, capsys):
    before = {path.name for path in trained.run_folders()}
    code = main([*command, "--home", str(trained.home), "--json"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    name = next(part for part in reversed(command[1:-1]) if part.startswith("-")).strip("-")
    asked = command[-1].split("=")[0] if name == "set" else name
    assert asked.split(".")[-1] in err and "Traceback" not in err
    assert {path.name for path in trained.run_folders()} == before
