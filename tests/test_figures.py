import html
import itertools

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dssm_core.inspection import NEVER
from dssm_core.presets import PRESETS
from lab import figures, palette, tables, words

EPOCHS = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "loss": [3.0, 2.0, 1.0],
        "validation_loss": [3.0, 2.5, 2.7],
        "validation_recall@50": [0.1, 0.2, 0.15],
        "distinct_users": [1.0, 1.0, 0.99],
        "mean_cosine": [0.5, 0.3, 0.2],
    }
)
STEPS = pd.DataFrame({"progress": [0.5, 1.0], "loss": [4.0, 3.0]})
RUNS = pd.DataFrame(
    {
        "id": ["a", "b"],
        "run": ["<b>mine</b>", "popular"],
        "preset": ["in_batch", "popular"],
        "value": [0.3, 0.2],
        "low": [0.25, 0.15],
        "high": [0.35, 0.25],
    }
)
CURVES = pd.DataFrame(
    {"run": ["a", "a", "b", "b"], "preset": ["in_batch"] * 4, "k": [1, 10, 1, 10], "value": [0.1, 0.5, 0.2, 0.4]}
)
SEGMENTS = pd.DataFrame(
    {
        "id": ["a", "a"],
        "run": ["a", "a"],
        "part": ["head", "tail"],
        "held_out_clicks": [5, 1],
        "recall": [0.8, 0.1],
        "low": [0.7, np.nan],
        "high": [0.9, np.nan],
    }
)
DAYS = pd.DataFrame(
    {"day": ["2021-07-01", "2021-07-02"], "part": ["train", "test"], "exposures": [10, 4], "clicks": [3, 1]}
)
POPULARITY = pd.DataFrame({"rank": [1, 2, 3], "exposures": [100, 10, 1], "clicks": [9, 1, 0]})
OVERLAP = pd.DataFrame([[1.0, 0.25], [0.25, 1.0]], index=["a", "b"], columns=["a", "b"])
DECILES = pd.DataFrame(
    {
        "decile": [1, 2, NEVER],
        "articles": [4, 4, 7],
        "exposures": [0.75, 0.25, 0.0],
        "clicks": [0.8, 0.2, 0.0],
        "uniform": [0.3, 0.3, 0.4],
        "ralm": [0.9, 0.08, 0.02],
    }
)
GATES = {"users": {"device": 0.2, "<b>": 0.6}, "articles": {"cate": 0.9}}
HISTOGRAM = {"edges": [-1.0, 0.0, 1.0], "counts": [1, 3]}

DRAWN = {
    "metric_dots": figures.metric_dots(RUNS, "recall@50"),
    "days": figures.days(DAYS, "clicks"),
    "popularity": figures.popularity(POPULARITY, 0.4),
    "losses": figures.losses(EPOCHS, STEPS),
    "validation_recall": figures.validation_recall(EPOCHS),
    "scores": figures.scores(HISTOGRAM, {"edges": [-1.0, 0.0, 1.0], "counts": [3, 1]}),
    "health": figures.health(EPOCHS),
    "recall_curves": figures.recall_curves(CURVES),
    "segments": figures.segments(SEGMENTS, {"a": "in_batch"}, "article popularity", "recall@50"),
    "overlap": figures.overlap(OVERLAP, 50),
    "deciles": figures.deciles(DECILES, {"uniform": "uniform", "ralm": "ralm"}),
    "field_weights": figures.field_weights(tables.field_weights(GATES)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_has_a_title_that_fits_a_phone_and_named_axes(name):
    layout = DRAWN[name].layout
    assert all(0 < len(html.unescape(line)) <= 46 for line in layout.title.text.split("<br>"))
    assert layout.xaxis.title.text
    assert layout.yaxis.title.text or name in ("metric_dots", "segments", "field_weights")


def test_titles_say_what_to_conclude():
    assert figures.says_best(RUNS, "recall@50") == "<b>mine</b> is best: recall@50 30.0%, where popular has 20.0%"
    assert figures.says_best(RUNS[1:], "recall@50") == "No trained run beats popular: recall@50 20.0%"
    better = pd.DataFrame({"run": ["a"], "low": [0.01]})
    assert figures.says_beaten(RUNS, better) == "<b>mine</b> clearly beats the best baseline, popular"
    assert figures.says_beaten(RUNS, better.assign(low=-0.1)).startswith("<b>mine</b> is not clearly above")
    three = pd.concat([RUNS[:1].assign(id=id) for id in "ac"] + [RUNS[1:]])
    assert figures.says_beaten(three, better) == "1 of 2 trained runs clearly beat the best baseline, popular"
    assert figures.says_beaten(RUNS[1:], better).startswith("No trained run is among these")
    assert figures.says_losses(EPOCHS) == "The validation loss was lowest after epoch 2: from there it memorizes"
    assert figures.says_losses(EPOCHS[:2]) == "The validation loss still falls: more epochs may help"
    assert figures.says_health(EPOCHS) == "Healthy: 99% of the user vectors are distinct"
    assert figures.says_health(EPOCHS.assign(distinct_users=0.1)) == "Collapsed: user vectors are nearly all alike"
    assert figures.says_curves(CURVES) == "a leads from K = 10, b in the shortest list"
    crossing = pd.DataFrame({"run": list("aabba"), "k": [1, 10, 1, 10, 5], "value": [0.2, 0.5, 0.1, 0.4, 0.1]})
    assert figures.says_curves(pd.concat([crossing, crossing[2:3].assign(k=5, value=0.3)]).sort_values("k")) == (
        "a leads at K = 1 and 10, others in between"
    )
    few_clicks = SEGMENTS.assign(id="b", run="b", recall=[0.6, 0.9])
    assert figures.says_segments(pd.concat([SEGMENTS, few_clicks]), "article age").startswith("By article age: a has")
    assert "0.50 above" in DRAWN["scores"].layout.title.text.replace("<br>", " ")
    assert "25%" in DRAWN["overlap"].layout.title.text
    assert figures.says_deciles(DECILES, ["uniform", "ralm"]) == (
        "The most exposed tenth is 90% of what ralm draws and 30% of uniform's; it has 75% of the exposures"
    )
    alone = "The most exposed tenth is 30% of what uniform draws; it has 75% of the exposures"
    assert figures.says_deciles(DECILES, ["uniform"]) == alone
    alike = figures.says_deciles(DECILES.assign(mixed=DECILES["uniform"]), ["uniform", "mixed"])
    assert alike == alone.replace("uniform", "every strategy here")
    assert figures.says_deciles(DECILES[2:], ["uniform"]) == "Nothing was exposed in train"
    assert figures.says_field_weights(tables.field_weights(GATES)) == (
        "Of users, <b> counts most (0.60), device least (0.20); of articles, cate counts most (0.90)"
    )


def test_text_from_logs_and_names_is_escaped():
    assert "<b>" not in DRAWN["metric_dots"].to_json()


def test_the_axis_of_popularity_says_how_many_articles_were_never_exposed():
    assert "never exposed: 7 articles" in DRAWN["deciles"].layout.xaxis.title.text
    assert "never" in DRAWN["deciles"].layout.xaxis.ticktext
    assert "never" not in figures.deciles(DECILES[:2], {"ralm": "ralm"}).layout.xaxis.title.text


def test_a_gate_s_fields_are_sorted_by_side():
    assert tables.field_weights(GATES)["field"].tolist() == ["<b>", "device", "cate"]
    assert "user · &lt;b&gt;" in DRAWN["field_weights"].data[1].y
    assert tables.field_weights({"users": None, "articles": {"cate": 1.0}})["side"].tolist() == ["articles"]


def test_figures_draw_before_the_first_epoch_is_over():
    nothing = pd.DataFrame()
    for figure in (figures.losses(nothing, STEPS), figures.validation_recall(nothing), figures.health(nothing)):
        assert figure.layout.title.text


def test_trained_presets_have_a_colour_each_and_baselines_are_grey():
    trained = [name for name in PRESETS if name not in palette.BASELINES]
    assert len({palette.look(name).colour for name in trained}) == min(len(trained), len(palette.HUES))
    assert len({(palette.look(name).colour, palette.look(name).symbol) for name in trained}) >= len(trained) - 1
    assert {palette.look(name).colour for name in palette.BASELINES} == {palette.GREY}
    assert len({palette.look(name).symbol for name in palette.BASELINES}) == len(palette.BASELINES)


def test_colours_stand_out_on_both_backgrounds():
    for colour, background in itertools.product((*palette.HUES, palette.GREY), ("#FFFFFF", "#11171E")):
        assert contrast(colour, background) >= 3


def test_a_csv_holds_no_formula():
    text = tables.csv(pd.DataFrame({"title": ["=1+1", "plain", "@x"], "n": [-1, 2, 3]})).decode("utf-8-sig")
    assert text.splitlines() == ["title,n", "'=1+1,-1", "plain,2", "'@x,3"]


def test_days_are_cut_in_the_dataset_s_time_zone(tasteful_dataset):
    from dssm_core.config import Config
    from dssm_core.split import make_split

    config = Config()
    table = tables.days(tasteful_dataset, make_split(tasteful_dataset, config.split, config.pool))
    assert table["exposures"].sum() == len(tasteful_dataset.exposures)
    assert table.loc[table["part"] == "test", "day"].unique().tolist() == ["2021-07-04"]


def test_a_verdict_needs_an_interval_that_excludes_zero():
    values = pd.DataFrame({"group": ["a", "b", "c"], "value": [0.3, 0.2, 0.1], "low": 0.0, "high": 1.0})
    values = values.assign(metric="recall@50", users=9, seeds=1, covers="users only")
    apart = pd.DataFrame({"group": ["a", "c"], "value": [0.1, -0.1], "low": [0.05, -0.2], "high": [0.15, 0.01]})
    names = {"a": "A", "b": "B", "c": "C"}
    board = tables.leaderboard(values, apart.assign(covers="users only"), names, names, "b")
    assert board["run"].tolist() == ["A", "B", "C"]
    assert board["verdict"].tolist() == ["▲ better", "the baseline", "not told apart"]
    assert board["difference"].tolist() == pytest.approx([0.1, np.nan, -0.1], nan_ok=True)


def test_of_each_run_the_knobs_are_told_that_are_not_as_in_most():
    knobs = {"run": ["a", "b", "c"], "loss.kind": ["bpr", "bce", "bce"], "train.l2": ["0", "0", "0.1"]}
    assert tables.own_knobs(pd.DataFrame(knobs)) == ["loss.kind = bpr", "as most", "train.l2 = 0.1"]
    assert tables.own_knobs(pd.DataFrame({"run": ["a", "b"], "train.l2": ["0", "1"]})) == [
        "train.l2 = 0",
        "train.l2 = 1",
    ]


def test_ages_are_in_the_unit_that_reads_best_and_unknown_ones_are_empty(tasteful_dataset):
    created = tasteful_dataset.ctime[[1, 2]]
    rows = pd.DataFrame({"title": ["x", "y"]})
    hour = 3_600_000
    young = tables.with_age(rows, tasteful_dataset, np.array([1, 2]), created + np.array([2, -3]) * hour)
    old = tables.with_age(rows, tasteful_dataset, np.array([1, 2]), created + np.array([24, 480]) * 24 * hour)
    assert young["age (h)"].tolist() == [2, -3]
    assert old["age (days)"].tolist() == [24, 480]
    assert list(tables.with_age(rows, tasteful_dataset, np.array([1, 2]), np.zeros(2))) == ["title"]


def test_undefined_numbers_are_not_zero():
    assert words.percent(None) == "n/a"
    assert words.interval({"value": None, "low": None, "high": None}) == "n/a"
    assert words.interval({"value": 0.213, "low": 0.2, "high": 0.224}) == "21.3% (20.0–22.4)"


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (None, "n/a")])
def test_durations_read_as_people_say_them(seconds, text):
    assert words.duration(seconds) == text


def test_markdown_in_a_name_is_shown_as_it_stands():
    assert words.as_markdown("a*b* [x](y) :red[z]") == "a\\*b\\* \\[x\\]\\(y\\) \\:\u2060red\\[z\\]"


def contrast(one: str, other: str) -> float:
    """WCAG contrast of two #rrggbb colours."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_names_that_look_like_numbers_or_dates_stay_names():
    rows = [(f"id{i}", name, "in_batch", 0.1, 0.05, 0.2) for i, name in enumerate(("2024", "1e5", "2024-01-01"))]
    table = pd.DataFrame(rows, columns=["id", "run", "preset", "value", "low", "high"])
    assert figures.metric_dots(table, "recall@5").layout.yaxis.type == "category"
    overlap = pd.DataFrame(np.eye(2), index=["1", "2"], columns=["1", "2"])
    assert figures.overlap(overlap, 5).layout.xaxis.type == figures.overlap(overlap, 5).layout.yaxis.type == "category"


def test_names_that_are_alike_where_they_are_cut_stay_apart():
    assert figures.shorts(["a" * 30, "a" * 31, "b"], 5) == ["aaaa…", "aaaa… (2)", "b"]


def test_plots_side_by_side_begin_and_end_at_one_height_whatever_their_titles_take():
    short, long = (figures.finished(go.Figure(), title, height=300) for title in ("short", "a longer title " * 9))
    figures.align(short, long)
    assert short.layout.margin.t == long.layout.margin.t and short.layout.height == long.layout.height
    assert short.layout.title.y == long.layout.title.y


def test_no_line_of_a_title_begins_with_a_chinese_mark():
    title = "曝光最多的十分之一占 funrec_mix 所抽样本的 44%、uniform 的 10%；它占曝光的 33%，其余的在别处"
    lines = figures.finished(go.Figure(), title).layout.title.text.split("<br>")
    assert len(lines) > 1 and "".join(lines).replace(" ", "") == title.replace(" ", "")
    assert not [line for line in lines if line[0] in "，。、；：！？）"]
