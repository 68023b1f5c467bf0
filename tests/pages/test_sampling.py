import json
import shutil

import numpy as np
import pytest

from dssm_core.config import DESCRIPTIONS, IN_BATCH, Config, SplitConfig
from dssm_core.ingest import ingest
from dssm_core.negatives import STRATEGIES
from dssm_core.presets import PRESETS
from dssm_core.stored_files import read_json, write_json
from dssm_core.workspace import Workspace, load_dataset
from lab import drawing, knobs, palette, strategies
from lab.explained import EXPLAINED
from tests.pages.conftest import TRAINED
from tests.sealing import reseal

PAGE = "pages/sampling.py"


@pytest.fixture
def with_vectors(small_workspace, tmp_path):
    """A workspace whose trained run has the usual split, and vectors."""
    home = shutil.copytree(small_workspace, tmp_path / "home")
    run = home / "runs" / TRAINED
    described = read_json(run / "config.json")
    write_json(run / "config.json", {**described, "config": {**described["config"], "split.train_days": 6}})
    dataset = _dataset(home)
    rng = np.random.default_rng(0)
    for side, length in (("users", len(dataset.users)), ("articles", len(dataset.articles))):
        vectors = rng.normal(size=(length, 4)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        first = 0 if side == "users" else 1
        np.savez(run / f"{side}.npz", rows=np.arange(first, length, dtype=np.int32), vectors=vectors[first:])
    return reseal(home)


@pytest.fixture
def clicks_alone(tmp_path):
    """A log of clicks by 20 users on 12 articles, without exposures, users' or articles' tables."""
    log = tmp_path / "log.csv"
    rows = "".join(f"u{i % 20:02},a{i // 3 % 12},{86_400 * (1 + i % 5) + i}\n" for i in range(200))
    log.write_text(f"user_id,article_id,expo_time\n{rows}")
    home = tmp_path / "home"
    ingest(Workspace(home, bundled=None), "generic", log)
    return home


def _dataset(home):
    workspace = Workspace(home, bundled=None)
    return load_dataset(workspace, workspace.datasets()[0]["id"])


def _chart(at):
    return json.loads(at.get("plotly_chart")[0].proto.spec)


def test_every_strategy_is_explained_and_has_a_look_of_its_own():
    assert list(EXPLAINED) == list(STRATEGIES)
    for explained in EXPLAINED.values():
        assert explained.formula.count("{") == explained.formula.count("}")
        assert explained.text.endswith(".")
        assert explained.link.startswith("https://")
    assert {name for name, explained in EXPLAINED.items() if explained.beyond} <= set(IN_BATCH)
    looks = palette.STRATEGY_LOOKS
    assert set(looks) == set(STRATEGIES)
    assert len({(look.colour, look.pattern) for look in looks.values()}) == len(STRATEGIES)
    assert all(palette.look(name) == looks[name] for name in STRATEGIES if name in PRESETS)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "mined"])
def test_every_strategy_is_drawn_with_its_formula_and_knobs(strategy, open_page, small_workspace):
    at = open_page(PAGE, small_workspace, strategies=strategy)
    assert not at.exception
    assert not at.error
    assert EXPLAINED[strategy].formula in at.latex[0].value
    assert strategy in [trace["name"] for trace in _chart(at)["data"]]
    assert at.table[0].value.columns.tolist()[1:] == [strategy]
    assert "title" in at.dataframe[0].value
    drawn = {widget.key for kind in (at.number_input, at.selectbox) for widget in kind}
    for name in strategies.mattering(strategy, None):
        assert f"lab {strategy} negatives.{name}" in drawn
        assert f"negatives.{name}" in DESCRIPTIONS


def test_four_strategies_are_side_by_side_and_the_address_chooses_them(open_page, small_workspace):
    wanted = ["suppressed", "ralm", "mixed", "funrec_mix"]
    at = open_page(PAGE, small_workspace, strategies=wanted)
    assert not at.exception
    assert at.multiselect(key="strategies").value == wanted
    assert [trace["name"] for trace in _chart(at)["data"]][:4] == wanted
    assert len(at.dataframe) == 4


def test_more_than_four_in_an_address_are_cut_to_four(open_page, small_workspace):
    at = open_page(PAGE, small_workspace, strategies=list(STRATEGIES)[:6])
    assert not at.exception
    assert len(at.latex) == 4


def test_a_knob_changes_what_is_drawn(open_page, small_workspace):
    at = open_page(PAGE, small_workspace, strategies="popularity")
    before = _chart(at)["layout"]["title"]["text"]
    at.number_input(key="lab popularity negatives.alpha").set_value(2.0).run()
    assert _chart(at)["layout"]["title"]["text"] != before
    at.number_input(key="lab popularity negatives.k").set_value(9).run()
    assert len(at.dataframe[0].value) == 9


def test_drawing_again_draws_others_and_the_same_seed_the_same(open_page, small_workspace):
    at = open_page(PAGE, small_workspace, strategies="uniform")
    titles = [at.dataframe[0].value["title"].tolist()]
    for button in ("Draw again", None):
        if button:
            next(found for found in at.button if found.label == button).click()
        at.run()
        titles.append(at.dataframe[0].value["title"].tolist())
    assert titles[0] != titles[1] == titles[2]


def test_the_user_comes_from_the_address_and_any_user_is_another(open_page, small_workspace):
    dataset = _dataset(small_workspace)
    at = open_page(PAGE, small_workspace, strategies="uniform")
    options = at.selectbox(key="user").options
    at = open_page(PAGE, small_workspace, strategies="uniform", user=options[-1])
    assert at.selectbox(key="user").value == options[-1]
    next(found for found in at.button if found.label == "Any user").click().run()
    assert not at.exception
    assert (dataset.users["user_id"] == at.selectbox(key="user").value).any()


def test_a_user_without_train_clicks_is_told(open_page, small_workspace):
    dataset = _dataset(small_workspace)
    at = open_page(PAGE, small_workspace, strategies="uniform")
    cold = set(dataset.users["user_id"][1:]) - set(at.selectbox(key="user").options)
    if not cold:
        pytest.skip("every user of this log has a train click")
    at = open_page(PAGE, small_workspace, strategies="uniform", user=cold.pop())
    assert not at.exception
    assert "no train click" in at.info[0].value


def test_no_strategy_chosen_is_asked_for(open_page, small_workspace):
    at = open_page(PAGE, small_workspace)
    at.multiselect(key="strategies").set_value([]).run()
    assert not at.exception
    assert "Choose one to four" in at.info[0].value


def test_mined_without_an_earlier_run_says_so_in_its_card_and_the_others_stay(open_page, clicks_alone):
    at = open_page(PAGE, clicks_alone, strategies=["mined", "uniform"])
    assert not at.exception
    assert "earlier run" in at.error[0].value
    assert next(trace["name"] for trace in _chart(at)["data"]) == "uniform"
    assert "train mined" not in [button.key for button in at.button]


def test_a_log_of_clicks_alone_cannot_supply_exposed_or_a_category(open_page, clicks_alone):
    at = open_page(PAGE, clicks_alone)
    assert at.multiselect(key="strategies").value == ["uniform", "popularity", "in_batch"]
    at = open_page(PAGE, clicks_alone, strategies=["exposed", "same_attribute", "uniform"])
    assert not at.exception
    texts = [error.value.replace("\\", "") for error in at.error]
    assert "no exposure without a click" in texts[0]
    assert "this log has none" in texts[1]
    assert at.table[0].value.columns.tolist()[1:] == ["uniform"]
    assert "same category" not in at.table[0].value.iloc[:, 0].tolist()


def test_more_draws_than_the_pool_has_articles_are_refused(open_page, clicks_alone):
    at = open_page(PAGE, clicks_alone, strategies=["uniform", "in_batch"])
    at.number_input(key="lab uniform negatives.k").set_value(50).run()
    assert not at.exception
    assert "pool of only" in at.error[0].value.replace("\\", "")


def test_mined_is_drawn_from_a_run_with_the_same_split(open_page, with_vectors):
    at = open_page(PAGE, with_vectors, strategies="mined")
    at.number_input(key="lab mined negatives.rank_from").set_value(2)
    at.number_input(key="lab mined negatives.rank_to").set_value(12).run()
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="lab mined negatives.run").value == TRAINED
    assert any("mined is shown for" in caption.value for caption in at.caption)
    assert len(at.dataframe[0].value) == 5
    at.number_input(key="lab mined negatives.rank_from").set_value(13).run()
    assert "rank" in at.error[0].value


def test_a_run_s_split_can_be_chosen(open_page, small_workspace):
    at = open_page(PAGE, small_workspace, strategies="uniform")
    assert len(at.selectbox(key="cut").options) == 2
    at = open_page(PAGE, small_workspace, strategies="uniform", cut=TRAINED)
    if at.selectbox(key="cut").value == TRAINED:
        _button(at, "train uniform").click().run()
        assert at.number_input(key="knob split.train_days").value == 2


@pytest.mark.parametrize("visited_before", [False, True])
def test_train_with_this_turns_the_knobs_there_and_says_what_differs(visited_before, open_page, small_workspace):
    at = open_page("pages/train.py" if visited_before else PAGE, small_workspace)
    if visited_before:
        at.number_input(key="knob tower.dim").set_value(48).run()
        at.switch_page(PAGE).run()
    at.multiselect(key="strategies").set_value(["popularity", "uniform"]).run()
    at.number_input(key="lab popularity negatives.alpha").set_value(1.25).run()
    at.selectbox(key="lab popularity negatives.blend").set_value("exposed").run()
    _button(at, "train popularity").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"
    assert at.selectbox(key="preset").value == "popularity"
    assert at.number_input(key="knob negatives.alpha").value == 1.25
    assert at.selectbox(key="knob negatives.blend").value == "exposed"
    assert at.number_input(key="knob tower.dim").value == PRESETS["popularity"].config.tower.dim
    told = next(text.value for text in at.text if text.value.startswith("Differs"))
    assert "negatives.alpha = 1.25 (was 0.75)" in told
    assert "negatives.blend = exposed (was none)" in told
    at.switch_page("pages/train.py").run()
    assert at.number_input(key="knob negatives.alpha").value == 1.25, "knobs stay turned"


def _button(at, key):
    return next(button for button in at.button if button.key == key)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_can_be_taken_to_train_with_every_blend(strategy):
    for blend in (None, *strategies.blends(strategy)):
        taken = {"run": "some-run", "blend": blend}
        config = strategies.train_config(strategy, taken, SplitConfig(train_days=3), 5000)
        assert (config.negatives.strategy, config.negatives.blend) == (strategy, blend)
        assert config.split.train_days == 3


def test_a_shared_set_is_kept_while_k_is_the_preset_s_and_it_fits():
    shared = PRESETS["uniform"].config.negatives.shared
    usual = Config().split
    assert strategies.train_config("uniform", {"k": 5}, usual, 5000) == PRESETS["uniform"].config
    assert strategies.train_config("uniform", {"k": 6}, usual, 5000).negatives.shared == 0
    assert strategies.train_config("uniform", {"k": 5}, usual, shared).negatives.shared == 0
    assert strategies.train_config("uniform", {"blend": "ralm"}, usual, 5000).negatives.shared == shared


def test_draws_for_a_click_are_never_the_user_s_own(small_workspace):
    workspace, dataset = Workspace(small_workspace, bundled=None), _dataset(small_workspace)
    config = strategies.train_config("uniform", {}, SplitConfig(), 5000)
    facts = drawing.facts(workspace, dataset, config)
    user = int(facts.users[0])
    drawn = drawing.for_click(workspace, dataset, config, user, 0, 1)
    assert len(drawn) == 5
    assert not facts.counts.clicked.contains(np.full(5, user), drawn).any()


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("", {}),
        ("device: 4, city: 8", {"device": 4, "city": 8}),
        ('{"device": 4}', {"device": 4}),
        ('{"a, b": 2}', {"a, b": 2}),
    ],
)
def test_field_lengths_are_typed_as_text_and_come_back_as_they_were(text, lengths):
    config = knobs.read("two_tower", {"tower.field_dims": text})
    assert config.tower.field_dims == lengths
    assert knobs._as_shown("tower.field_dims", lengths) == text or json.loads(text) == lengths


@pytest.mark.parametrize("text", ["device", "device: x", "{device}", ": 4"])
def test_field_lengths_that_cannot_be_read_are_told(text):
    with pytest.raises(knobs.UserError, match="field_dims"):
        knobs.read("two_tower", {"tower.field_dims": text})
