import shlex
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dssm_core.cli import asked_config, parser
from dssm_core.commands import line, sweep, train
from dssm_core.config import KEYS, Config, flatten, unflatten
from dssm_core.errors import UserError
from dssm_core.presets import PRESETS
from dssm_core.sweeps import Engine
from dssm_core.workspace import Workspace
from tests.test_bounds import NUMERIC, bounds, least_and_most

HERE = Workspace("workspace", bundled=None)


def read(text: str):
    """The options of a line as the command line reads them."""
    words = shlex.split(text)
    assert words[:3] == ["python", "-m", "dssm_core"]
    return parser().parse_args(words[3:])


def values(key: str) -> st.SearchStrategy:
    """Values that a knob might take, awkward ones among them."""
    section, _, name = key.rpartition(".")
    field = (Config.model_fields[section].annotation if section else Config).model_fields[name]
    if key in NUMERIC:
        low, high = least_and_most(key)
        number = st.integers(low, min(high, 2**31)) if bounds(key)[1] is int else st.floats(low, high)
        several = {
            list: st.lists(number, max_size=4, unique=True),
            dict: st.dictionaries(st.text(), number, max_size=3),
        }
        return several.get(get_origin(field.annotation), number) | st.none()
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(get_args(field.annotation))
    if field.annotation in (bool, bool | None):
        return st.sampled_from([True, False, None])
    texts = st.text() | st.sampled_from(
        [*PRESETS, "none", "1", "true", "-x", " a", "a,b", '"', "[1]", "{}", "$HOME `x`"]
    )
    return texts if field.annotation is str else st.none() | texts | st.lists(texts, max_size=3)


@pytest.mark.parametrize("key", KEYS)
def test_a_line_that_trains_is_read_back_as_the_very_config(key):
    kept = []

    @settings(max_examples=40)
    @given(values(key), st.sampled_from([*PRESETS, ""]))
    def reads_back(value, preset):
        start = PRESETS[preset].config if preset else Config()
        try:
            config = unflatten({**flatten(start), key: value})
        except UserError:
            return
        options = read(train(HERE, "some-data", preset, config, "-a 'name'"))
        assert asked_config(options) == config
        assert (options.dataset, options.preset, options.name) == ("some-data", preset, "-a 'name'")
        kept.append(value)

    reads_back()
    assert kept


def test_only_what_differs_from_the_preset_is_written():
    config = unflatten({**flatten(PRESETS["in_batch"].config), "train.epochs": 3, "eval.k": [5, 10]})
    assert train(HERE, "data", "in_batch", config) == (
        "python -m dssm_core train --dataset data --preset in_batch --set train.epochs=3 'eval.k=[5, 10]'"
    )


def test_a_preset_of_another_version_is_left_out_and_its_knobs_are_written():
    options = read(train(HERE, "data", "of yore", PRESETS["uniform"].config))
    assert options.preset == ""
    assert asked_config(options) == PRESETS["uniform"].config


def test_a_sweep_is_read_back_with_all_that_it_was_asked():
    engine = Engine(kind="ray", address="10.0.0.1:6379", cpus=4)
    asked = {"settings": ["eval.k=5,50", "-x=1"], "positives": 1000, "jobs": 1, "engine": engine, "name": "two words"}
    options = read(sweep(HERE, "data", ["in_batch", "uniform"], 2, **asked))
    assert (options.presets, options.seeds, options.set) == ("in_batch,uniform", 2, ["eval.k=5,50", "-x=1"])
    assert (options.positives, options.jobs, options.name) == (1000, None, "two words")
    assert (options.engine, options.address, options.cpus, options.gpus) == ("ray", "10.0.0.1:6379", 4, None)
    assert read(sweep(HERE, "data", ["popular"], 1, jobs=3)).jobs == 3


def test_a_users_id_of_any_form_is_one_word_to_the_shell():
    for user in ("a b", "-5", "$(rm)", "o'neill", "用户"):
        assert read(line(HERE, "recall", "some-run", user=user, k=20)).user == user


def test_flags_and_lists_are_written_and_what_is_not_said_is_left_out():
    text = line(HERE, "evaluate", "some-run", set=["index.kind=ivf", "index.probes=8"], keep=True, name="", k=None)
    assert text == "python -m dssm_core evaluate some-run --set index.kind=ivf index.probes=8 --keep"
    assert read(line(HERE, "resume", "some-run", detach=True)).detach


def test_a_workspace_elsewhere_is_named_and_the_usual_one_is_not(tmp_path):
    assert "--home" not in line(HERE, "runs")
    assert read(line(Workspace(tmp_path / "my lab"), "runs")).home == str(tmp_path / "my lab")


def test_credentials_of_a_url_are_in_no_line():
    text = line(Workspace("memory://ann:secret@bucket/lab", bundled=None), "runs")
    assert "secret" not in text
    assert read(text).home == "memory://bucket/lab"
