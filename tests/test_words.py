from lab import words


def test_datasets_of_one_name_made_in_the_same_second_are_told_apart():
    made = {"name": "demo", "created": 1_700_000_000.0, "bundled": False}
    labels = words.dataset_names([{**made, "id": "one"}, {**made, "id": "two"}])
    assert len(set(labels.values())) == 2
