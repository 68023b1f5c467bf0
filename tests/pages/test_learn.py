import json

import pytest

from lab import learn_mistakes


@pytest.fixture
def learn(open_page, tmp_path):
    at = open_page("pages/learn.py", tmp_path)
    assert not at.exception and not at.error
    return at


def titles(at) -> list[str]:
    figures = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    return [figure["layout"]["title"]["text"].replace("<br>", " ") for figure in figures]


def metric(at, label: str) -> list[str]:
    return [metric.value for metric in at.metric if metric.label == label]


def test_each_lesson_has_a_figure_whose_title_is_the_finding(learn):
    told = titles(learn)
    assert len(told) == 5
    assert "Without negatives two users' vectors have a cosine of 0.99" in told[0]
    assert "Without the correction head falls from 70% to 20%" in told[1]
    assert "Exposed negatives alone cost 7.1 points of recall@50" in told[2]
    assert "Annoy returns" in told[3] and "tell recommended from item_knn" in told[4]


def test_the_six_mistakes_stand_with_the_right_way_beside_them(learn):
    assert len(learn.subheader) == 6
    assert len(metric(learn, "as published")) + len(metric(learn, "as published, of all negatives")) == 6
    assert len(metric(learn, "the right way")) == 6
    assert any("No effect on the demo" in text.value for text in learn.markdown)


def test_a_mistake_s_knob_shows_when_there_is_an_effect(learn):
    learn.select_slider(key="learn_title").set_value(200).run()
    assert "16%" in metric(learn, "as published")
    assert any("One title of 200 letters" in text.value for text in learn.markdown)


def test_lists_cut_at_their_whole_length_cannot_tell_farthest_from_nearest(learn):
    learn.select_slider(key="learn_farthest").set_value(50).run()
    assert any(text.value == "**No effect on recall@50.**" for text in learn.markdown)


def test_more_users_tell_a_difference_more_surely(learn):
    learn.slider(key="learn_users").set_value(25).run()
    few = titles(learn)[4]
    learn.slider(key="learn_users").set_value(600).run()
    assert few.startswith("25 users do not tell") and titles(learn)[4].startswith("600 users tell")


def test_the_glossary_is_listed(learn):
    assert any(text.value.startswith("**warm share** ·") for text in learn.markdown)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ({"value": 2.0, "low": 1.0, "high": 3.0}, "It gains 2.0 points of recall@50 (1.0 to 3.0)."),
        ({"value": -2.0, "low": -3.0, "high": -1.0}, "It costs 2.0 points of recall@50 (1.0 to 3.0)."),
    ],
)
def test_a_mistake_gains_or_costs_points(points, says):
    assert learn_mistakes._says_apart(points, 50) == says
