"""The training step with its embedding tables on two parameter servers, against the step that holds them itself.

    python -m benchmarks.sharded_tables [--articles N] [--steps N] [--batch N]

The servers are processes of this machine, reached by gRPC over 127.0.0.1; while they run they listen on every address
of it, since TensorFlow's servers know no other way, and no login. `ParameterServerStrategy` places half of each
table on either; this process is its coordinator and its only worker, and keeps the towers. A step asks for the rows of
its batch and sends back their gradients; the server that holds a row moves it. Prints one JSON line: how far losses and
rows are apart, the rate beside the other step's, and what a step sends.

Both are apart by the last bits of float32, which stay small until a hidden unit stands at the very edge of its ReLU:
then one side trains it for a click and the other does not. So they are compared after the first ten steps; and after
all of them beside a control, the one-process step from tables whose first values differ in their last bit.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import psutil
import tensorflow as tf

from benchmarks.goals import rounded
from benchmarks.side_by_side import ROUNDS
from benchmarks.training import BASE, LargeLog
from dssm_core.batches import Batches, BatchMaker
from dssm_core.config import Config, with_settings
from dssm_core.losses import log_probability, with_temperature
from dssm_core.negatives import make_strategy
from dssm_core.step import Step
from dssm_core.two_tower import TowerSide, TwoTower

SERVERS, COMPARED = 2, 10
_LAST_BIT = 2.0**-23
_EPSILON = 1e-12
_READY = "ready"


class ShardedTable:
    """One side's table and its Adagrad state, cut into ranges of rows, one range a server."""

    def __init__(self, side: TowerSide, strategy: tf.distribute.ParameterServerStrategy):
        with strategy.scope():
            self._table = tf.Variable(side.table.numpy(), trainable=False)
            self._state = tf.Variable(side.accumulator.numpy(), trainable=False)
        lengths = [shard.shape[0] for shard in self._table.variables]
        self._firsts = [sum(lengths[:shard]) for shard in range(len(lengths))]

    def rows(self, distinct: tf.Tensor) -> tf.Tensor:
        """(n,) row numbers → (n, d), each read where it lies."""
        return tf.nn.embedding_lookup(self._table, distinct)

    def move(self, distinct: tf.Tensor, gradient: tf.Tensor, learning_rate: float) -> None:
        """Row-wise Adagrad on the servers: rows (n,), none twice, and their gradients (n, d)."""
        shards, firsts = self._table.variables, self._firsts
        of_shard = tf.searchsorted(tf.constant(firsts, distinct.dtype), distinct, side="right") - 1
        parts = [tf.dynamic_partition(array, of_shard, len(shards)) for array in (distinct, gradient)]
        for shard, state, first, rows, moved in zip(shards, self._state.variables, firsts, *parts, strict=True):
            with tf.device(shard.device):
                _move_rows(shard, state, rows - first, moved, learning_rate)

    def numpy(self) -> np.ndarray:
        """All rows, fetched."""
        return np.concatenate([shard.numpy() for shard in self._table.variables])


def _move_rows(shard, state, rows, gradient, learning_rate: float) -> None:
    state.scatter_add(tf.IndexedSlices(tf.reduce_mean(tf.square(gradient), axis=1), rows))
    scale = tf.math.rsqrt(tf.gather(state, rows) + _EPSILON)
    shard.scatter_sub(tf.IndexedSlices(learning_rate * gradient * scale[:, None], rows))


class ShardedStep(Step):
    """The same step with the rows of its batch fetched, and their gradients sent away."""

    def __init__(self, model: TwoTower, config: Config, *others, tables: list[ShardedTable]):
        super().__init__(model, config, *others)
        self._tables = tables
        self._learning_rate = config.train.embedding_learning_rate
        self._compiled_learn = tf.function(self._learn, jit_compile=True)

    def _train_one(self, inputs, step):
        sides = list(zip(self._tables, (inputs.users, inputs.articles), strict=True))
        # XLA takes arrays of one length: as many rows as the batch has places, of which the first are asked for
        values = [_lengthened(table.rows(rows.distinct[: rows.count]), rows.distinct) for table, rows in sides]
        loss, _, *gradients = self._compiled_learn(inputs, self._columns(inputs), *values)
        for (table, rows), gradient in zip(sides, gradients, strict=True):
            gradient = tf.convert_to_tensor(gradient)
            table.move(rows.distinct[: rows.count], gradient[: rows.count], self._learning_rate)
        return loss


def _lengthened(rows: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    padded = tf.pad(rows, [[0, tf.shape(like)[0] - tf.shape(rows)[0]], [0, 0]])
    return tf.ensure_shape(padded, [like.shape[0], rows.shape[1]])


class Trial:
    """Batches of a large log, and a step for them: as often as one is asked for, with the same first weights."""

    def __init__(self, articles: int, steps: int, batch: int):
        log = LargeLog(articles)
        data = log.data(steps * batch)
        config = with_settings(Config(), [*BASE, "negatives.strategy=in_batch", f"train.batch_size={batch}"])
        self._config = with_temperature(config, articles)
        strategy = make_strategy(data.counts, config.negatives)
        sizes = strategy.sizes(config.negatives, batch)
        self._features, self._history = log.features, data.history
        self._made_of = log_probability(strategy.probability), strategy, sizes
        maker = BatchMaker(strategy, data.counts.clicked, sizes, steps, config.loss.mask_known)
        _, calls = maker.epoch(data.clicks, np.random.default_rng(0), lambda: steps)
        self.batches: Batches = next(calls)
        self.positives = steps * batch

    def one_process(self) -> tuple[TwoTower, Step]:
        """The model with its own tables, and its step."""
        model = self._model()
        return model, Step(model, self._config, *self._made_of)

    def sharded(self, strategy: tf.distribute.ParameterServerStrategy) -> tuple[list[ShardedTable], ShardedStep]:
        """The tables of users and articles on the servers, and the step that uses them."""
        model = self._model()
        tables = [ShardedTable(side, strategy) for side in (model.users, model.articles)]
        return tables, ShardedStep(model, self._config, *self._made_of, tables=tables)

    def bytes_a_step(self) -> int:
        """What must travel: a step's distinct rows, and as many gradients, each with its number."""
        sides = ((self._features.users, self.batches.users), (self._features.articles, self.batches.positives))
        rows = sum(len(np.unique(side.slots[of_step])) for side, of_steps in sides for of_step in of_steps)
        return round(2 * rows * 4 * (self._config.tower.embedding_dim + 1) / len(self.batches))

    def _model(self) -> TwoTower:
        return TwoTower(self._features, self._config.tower, self._config.seed, self._history)


def main() -> None:
    """Train by both, and print how they compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded_tables", description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=630_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=1024)
    asked = parser.parse_args()
    trial = Trial(asked.articles, asked.steps, asked.batch)
    with parameter_servers(SERVERS) as (strategy, servers):
        measured = compared(trial, strategy, servers)
    print(json.dumps({"name": "sharded_tables", **vars(asked), "servers": SERVERS, **measured}), flush=True)


def compared(trial: Trial, strategy: tf.distribute.ParameterServerStrategy, servers: list[int]) -> dict:
    """How far apart both are, and then how fast each is. `servers`: their processes' ids."""
    (model, step), (tables, sharded) = trial.one_process(), trial.sharded(strategy)
    other, control = trial.one_process()
    _turn_last_bits(other)
    before = _rows(model)
    first, rest = steps_of(trial.batches, slice(COMPARED)), steps_of(trial.batches, slice(COMPARED, None))
    losses, sharded_losses = step.train(first, 0), sharded.train(first, 0)
    control.train(first, 0)
    rows = _rows(model)
    apart = {
        "first_loss": float(losses[0]),
        "last_loss": float(losses[-1]),
        "rows_moved": sum(int((old != new).any(axis=1).sum()) for old, new in zip(before, rows, strict=True)),
        "losses_apart": float(np.abs(losses - sharded_losses).max()),
        "rows_apart": _apart(rows, [table.numpy() for table in tables]),
    }
    for one in (step, sharded, control):
        one.train(rest, COMPARED)
    rows = _rows(model)
    apart |= {
        "rows_apart_after_all": _apart(rows, [table.numpy() for table in tables]),
        "control_apart_after_all": _apart(rows, _rows(other)),
    }
    return apart | rates(trial, step, sharded, tables, servers)


def steps_of(batches: Batches, part: slice) -> Batches:
    """Some of the steps."""
    return Batches(*(getattr(batches, name)[part] for name in vars(batches)))


def _rows(model: TwoTower) -> list[np.ndarray]:
    return [model.users.table.numpy(), model.articles.table.numpy()]


def _apart(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(some, others, strict=True))


def _turn_last_bits(model: TwoTower) -> None:
    for side in (model.users, model.articles):
        side.table.assign(side.table * (1 + _LAST_BIT))


def rates(trial: Trial, step: Step, sharded: Step, tables: list[ShardedTable], servers: list[int]) -> dict:
    """Positives a second of both in turn, and what bounds the sharded one. Both are compiled."""
    one, other, used, sent = [], [], [], []
    for _ in range(ROUNDS):
        one.append(_seconds(step, trial.batches))
        cpu, on_wire = _cpu_seconds(servers), psutil.net_io_counters(pernic=True)["lo"].bytes_sent
        other.append(_seconds(sharded, trial.batches))
        used.append(_cpu_seconds(servers) - cpu)
        sent.append(psutil.net_io_counters(pernic=True)["lo"].bytes_sent - on_wire)
    steps = len(trial.batches)
    return {
        "one_process_per_second": rounded(trial.positives / np.median(one)),
        "sharded_per_second": rounded(trial.positives / np.median(other)),
        "ratio": rounded(np.median(np.array(one) / other)),
        "one_process_ms_a_step": rounded(1e3 * np.median(one) / steps),
        "sharded_ms_a_step": rounded(1e3 * np.median(other) / steps),
        "servers_cpu_ms_a_step": rounded(1e3 * np.median(used) / steps),
        "round_trip_ms": rounded(1e3 * round_trip(tables)),
        "bytes_a_step": trial.bytes_a_step(),
        "loopback_bytes_a_step": round(np.median(sent) / steps),
    }


def round_trip(tables: list[ShardedTable], times: int = 100) -> float:
    """Seconds to read one row, as the median of many."""
    read = tf.function(tables[0].rows)
    read(tf.constant([0]))
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        read(tf.constant([0])).numpy()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def _seconds(step: Step, batches: Batches) -> float:
    started = time.perf_counter()
    step.train(batches, 0)
    return time.perf_counter() - started


def _cpu_seconds(processes: list[int]) -> float:
    return sum(sum(psutil.Process(process).cpu_times()[:2]) for process in processes)


@contextmanager
def parameter_servers(count: int) -> Iterator[tuple[tf.distribute.ParameterServerStrategy, list[int]]]:
    """A strategy over that many server processes, and their ids; they end with the body, however it ends."""
    with ExitStack() as stack:
        addresses = _free_addresses(count + 1)
        # the strategy insists on a worker: this process is it, and also the coordinator
        cluster = {"ps": addresses[:count], "worker": addresses[count:]}
        processes = [stack.enter_context(_served(cluster, task)) for task in range(count)]
        for process, address in zip(processes, addresses, strict=False):
            if process.stdout.readline().strip() != _READY:
                raise RuntimeError(f"the parameter server at {address} did not start: its own words are above")
        yield _connected(cluster), [process.pid for process in processes]


def _connected(cluster: dict[str, list[str]]) -> tf.distribute.ParameterServerStrategy:
    spec = tf.train.ClusterSpec(cluster)
    tf.distribute.Server(spec, job_name="worker", task_index=0, protocol="grpc")
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, rpc_layer="grpc")
    halves = tf.distribute.experimental.partitioners.FixedShardsPartitioner(len(cluster["ps"]))
    return tf.distribute.ParameterServerStrategy(resolver, variable_partitioner=halves)


@contextmanager
def _served(cluster: dict[str, list[str]], task: int) -> Iterator[subprocess.Popen]:
    command = [sys.executable, __file__, "serve", json.dumps(cluster), str(task)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _free_addresses(count: int) -> list[str]:
    """That many addresses of this machine, with different ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def serve(cluster: dict[str, list[str]], task: int) -> None:
    """Be a parameter server until the process that started this one ends or ends it."""
    tf.distribute.Server(tf.train.ClusterSpec(cluster), job_name="ps", task_index=task, protocol="grpc")
    print(_READY, flush=True)
    sys.stdin.read()
    os._exit(0)  # the server itself knows no end


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
