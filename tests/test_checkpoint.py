import numpy as np
import pytest

from dssm_core.checkpoint import (
    Checkpoint,
    DamagedCheckpoint,
    forget_checkpoints,
    generator_state,
    part_of,
    set_generator_state,
    under,
)
from dssm_core.stored_files import read_json, write_json

ARRAYS = {"model/users": np.arange(6, dtype=np.float32).reshape(3, 2), "learner/rng": np.array("text")}
FACTS = {"epoch": 3, "seconds": 0.1, "best_facts": {"temperature": None}}


@pytest.fixture
def checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    checkpoint.write(3, FACTS, ARRAYS)
    return checkpoint


def test_what_was_kept_comes_back_to_the_bit(checkpoint):
    facts, arrays = checkpoint.read()
    assert facts == FACTS
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_there_is_none_before_the_first(tmp_path):
    assert Checkpoint(tmp_path).read() is None


def test_an_epoch_takes_the_place_of_the_one_before(checkpoint, tmp_path):
    checkpoint.write(4, {"epoch": 4}, {"a": np.zeros(2)})
    assert checkpoint.read()[0] == {"epoch": 4}
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["0-4.npz", "0.json"]


def test_a_write_that_was_cut_off_leaves_the_epoch_before(checkpoint, tmp_path, monkeypatch):
    def cut_off(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr("dssm_core.checkpoint.write_json", cut_off)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write(4, {"epoch": 4}, {"a": np.zeros(2)})
    assert Checkpoint(tmp_path).read()[0] == FACTS


@pytest.mark.parametrize("place", [0, 100, 200, -1])
def test_a_single_flipped_bit_is_told(checkpoint, tmp_path, place):
    path = tmp_path / "checkpoint" / "0-3.npz"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpoint, match="its sha256 is not"):
        checkpoint.read()


@pytest.mark.parametrize("text", ["", '{"version": 1, "fi', "[]", "{}", '{"version": 1, "file": 3, "sha256": ""}'])
def test_an_index_that_is_not_one_is_told(checkpoint, tmp_path, text):
    (tmp_path / "checkpoint" / "0.json").write_text(text)
    with pytest.raises(DamagedCheckpoint, match="cannot be read"):
        checkpoint.read()


def test_a_file_that_is_gone_is_told(checkpoint, tmp_path):
    (tmp_path / "checkpoint" / "0-3.npz").unlink()
    with pytest.raises(DamagedCheckpoint, match="cannot be read"):
        checkpoint.read()


def test_one_of_another_version_is_told(checkpoint, tmp_path):
    index = tmp_path / "checkpoint" / "0.json"
    write_json(index, {**read_json(index), "version": 0})
    with pytest.raises(DamagedCheckpoint, match="another version"):
        checkpoint.read()


def test_forgetting_a_training_forgets_those_that_follow_on_it(checkpoint, tmp_path):
    second = Checkpoint(tmp_path, 1)
    second.write(1, {}, {})
    second.forget()
    assert second.read() is None and checkpoint.read() is not None
    second.write(1, {}, {})
    checkpoint.forget()
    assert second.read() is None and checkpoint.read() is None
    forget_checkpoints(tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    forget_checkpoints(tmp_path)


def test_sets_of_arrays_are_told_apart_by_what_stands_before_their_names():
    arrays = under("model", {"a": np.zeros(1)}) | under("models", {"a": np.ones(1)})
    assert part_of("model", arrays) == {"a": np.zeros(1)}


def test_a_generator_goes_on_where_it_was(rng):
    rng.random(5)
    state = generator_state(rng)
    expected = rng.random(5)
    set_generator_state(rng, state)
    np.testing.assert_array_equal(rng.random(5), expected)
