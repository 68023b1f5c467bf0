import json

from tests.pages.conftest import APP


def test_the_headline_metric_is_drawn_for_every_run(open_page, small_workspace):
    at = open_page("app.py", small_workspace)
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert {"popular", "random", "item_knn"} <= {trace["y"][0] for trace in figure["data"]}
    assert "recall@50" in figure["layout"]["title"]["text"]


def test_the_two_buttons_lead_to_data_and_train(open_page, tmp_path):
    labels = [button.label for button in open_page(str(APP), tmp_path).button]
    assert labels == ["Use your own logs", "Train one now"]
