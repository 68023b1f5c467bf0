"""The whole job: load → split → features → negatives → train → embed → index → retrieve → evaluate → save."""

import fcntl
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from dssm_core.baselines import BASELINES, check_baseline
from dssm_core.checkpoint import Checkpoint, forget_checkpoints
from dssm_core.comparable import baseline_run_id
from dssm_core.config import Config
from dssm_core.dataset import Dataset
from dssm_core.earlier import earlier_run, first_stage, needs_earlier
from dssm_core.errors import UserError
from dssm_core.evaluation import evaluate, save_evaluation
from dssm_core.false_negatives import FalseNegatives
from dssm_core.features import SideSize, make_features, seen_features
from dssm_core.free_memory import free_bytes, held_bytes, peak_mb
from dssm_core.health import health
from dssm_core.indexes import INDEXES, describe_index
from dssm_core.manifest import write_manifest
from dssm_core.memory_bound import check_fits
from dssm_core.memory_need import Scale, need_of_baseline, need_of_run
from dssm_core.mining import EarlierRun
from dssm_core.negatives import make_strategy
from dssm_core.popularity import later_clicks, seen_clicks
from dssm_core.readiness import Counted, check_negatives
from dssm_core.recommender import Recommender
from dssm_core.retrieval import VectorRecommender
from dssm_core.runs import Run, describe_run, write_status
from dssm_core.split import Split
from dssm_core.stored_files import written
from dssm_core.strategy import Strategy
from dssm_core.train_counts import TrainCounts
from dssm_core.training import Learner, Trained, train
from dssm_core.training_data import TrainingData
from dssm_core.versions import versions
from dssm_core.workspace import Workspace, load_dataset


def carry_out(workspace: Workspace, run: Run, report: Callable[[dict], None]) -> None:
    """Carry a run out from its config.json to its manifest.json, which stands once its baselines are there too.

    They are computed behind the training, so that it is seen to learn at once.
    """
    config = run.config
    stages = _Stages(report)
    stages.report({"type": "versions", **versions()})
    stages.begin("load")
    dataset = load_dataset(workspace, run.dataset)
    stages.begin("split")
    counted = Counted(dataset)
    split = counted.split(config)
    # what a config asks of a log or a machine that does not have it is refused before anything slow
    model = _TwoTowerJob(workspace, run, counted, stages) if config.model == "two_tower" else None
    if not model:
        _check_memory(config, counted.scale(config), None)
    recommender, facts = model.carry_out() if model else (None, {})
    stages.begin("baselines")
    _baselines(workspace, run, counted, stages)
    if not model:
        recommender = BASELINES[config.model](dataset, split, config, np.random.default_rng(config.seed))
    _evaluate_and_save(run, recommender, dataset, split, facts, stages, model.false_negatives if model else None)


class _TwoTowerJob:
    """features → negatives → train → embed → index of one run; made of a config that its dataset can supply."""

    def __init__(self, workspace: Workspace, run: Run, counted: Counted, stages: "_Stages"):
        self._run, self._config, self._stages = run, run.config, stages
        self._dataset, self._split = dataset, split = counted.dataset, counted.split(run.config)
        stages.begin("features")
        self._features = make_features(dataset, split, seen_features(self._config))
        stages.begin("negatives")
        counts = counted.counts(self._config)
        strategy = check_negatives(workspace, run.dataset, self._config, counts)
        sides = SideSize.of(self._features.users), SideSize.of(self._features.articles)
        _check_memory(self._config, Scale.of(dataset, split, counts, *sides), strategy)
        if needs_earlier(self._config):
            counts = replace(counts, earlier=earlier_run(workspace, run.dataset, self._config, counts.clicked))
        self._data = TrainingData.of(dataset, split, counts)
        self._first = first_stage(self._config, len(counts.pool))
        # DeepMatch draws where nobody can watch
        watched = self._config.tower.kind != "deepmatch"
        self.false_negatives = FalseNegatives(later_clicks(dataset, split), counts.clicked) if watched else None
        stages.report({"type": "libraries", "libraries": "TensorFlow"})
        self._learner = _learner(self._features, self._data, self._first or self._config, self.false_negatives)

    def carry_out(self) -> tuple[Recommender, dict]:
        """Train, in two stages where the first is to be mined, and be ready to recall."""
        config, split, stages = self._config, self._split, self._stages
        stages.begin("train")
        if self._first:
            self._mine(self._train(self._first, 0, _part(stages.report, 0, self._learner)))
        trained = self._train(config, 1, _part(stages.report, 1, self._learner) if self._first else stages.report)
        stages.begin("embed")
        user_vectors = trained.model.embed_users(_all_rows(self._dataset.users))
        pool_vectors = trained.model.embed_articles(split.pool)
        _save_vectors(self._run, trained, user_vectors, split.pool, pool_vectors)
        stages.begin("index")
        index = INDEXES[config.index.kind](pool_vectors, config.index)
        seen = seen_clicks(self._dataset, split) if config.pool.remove_seen else None
        recommender = VectorRecommender(
            user_vectors, split.pool, pool_vectors, index, seen, len(self._dataset.articles)
        )
        facts = _facts(config, trained, user_vectors, pool_vectors, index, self._data.counts)
        return recommender, facts | trained.facts

    def _train(self, config: Config, part: int, report: Callable[[dict], None]) -> Trained:
        trained = train(self._learner, self._data, config, report, Checkpoint(self._run.folder, part))
        self._stages.spend("train", trained.seconds_before)
        return trained

    def _mine(self, trained: Trained) -> None:
        """Take the first stage's hard negatives and start over with them."""
        counts = self._data.counts
        earlier = EarlierRun(
            "of the first stage",
            trained.model.embed_users(_all_rows(self._dataset.users)),
            counts.pool,
            trained.model.embed_articles(counts.pool),
            np.flatnonzero(counts.clicked.counts()).astype(np.int32),
        )
        self._data = replace(self._data, counts=replace(counts, earlier=earlier))
        self._learner = _learner(self._features, self._data, self._config, self.false_negatives)


def _check_memory(config: Config, scale: Scale, strategy: Strategy | None) -> None:
    """It was asked before the run was started; while it waited its turn, others may have taken what was free."""
    check_fits(config, lambda turned: need_of_run(turned, scale, strategy), free_bytes(given_back=held_bytes()))


def _part(report: Callable[[dict], None], part: int, learner: Learner) -> Callable[[dict], None]:
    """Reports the `part`-th (0 or 1) of two trainings as one of twice the epochs."""

    def told(event: dict) -> None:
        if event["type"] == "note":
            report(event)
            return
        epochs = event["epochs"]
        moved = {"epoch": event["epoch"] + part * epochs, "epochs": 2 * epochs}
        if "step" in event:
            moved |= {"step": event["step"] + part * epochs * learner.steps, "steps": 2 * event["steps"]}
        report(event | moved)

    return told


def _all_rows(table: pd.DataFrame) -> np.ndarray:
    return np.arange(len(table), dtype=np.int32)


def _learner(features, data, config, false_negatives) -> Learner:
    """Imported here so that a baseline's run does not pay for TensorFlow."""
    if config.tower.kind == "deepmatch":
        from dssm_core.deepmatch_learner import DeepMatchLearner

        return DeepMatchLearner(features, data, config)
    from dssm_core.sampled_learner import SampledLearner

    return SampledLearner(features, data, make_strategy(data.counts, config.negatives), config, false_negatives)


def _save_vectors(
    run: Run, trained: Trained, user_vectors: np.ndarray, pool: np.ndarray, pool_vectors: np.ndarray
) -> None:
    users = np.arange(len(user_vectors), dtype=np.int32)
    for name, arrays in (
        ("users", {"rows": users, "vectors": user_vectors}),
        ("articles", {"rows": pool, "vectors": pool_vectors}),
        ("weights", trained.model.weights()),
    ):
        with written(run.folder / f"{name}.npz") as beside, beside.open("wb") as file:
            np.savez(file, **arrays)


def _facts(config, trained, user_vectors, pool_vectors, index, counts: TrainCounts) -> dict:
    """What metrics.json tells of the model besides its recall."""
    active = user_vectors[np.flatnonzero(counts.clicked.counts())]
    return {
        "health": health(active),
        "index": describe_index(index, config.index, pool_vectors, active, max(config.eval.k)),
        "negatives": {"repeated": trained.repeated, "topped_up": trained.topped_up},
        "epoch": trained.epoch,
        "positives_per_second": trained.positives_per_second,
    }


def _evaluate_and_save(
    run: Run,
    recommender: Recommender,
    dataset: Dataset,
    split: Split,
    facts: dict,
    stages: "_Stages",
    false_negatives: FalseNegatives | None = None,
) -> None:
    stages.begin("evaluate")
    evaluation = evaluate(recommender, dataset, split, run.config)
    if false_negatives:
        held_out = evaluation.held_out
        drawn = false_negatives.times(held_out["user"].to_numpy(), held_out["article"].to_numpy())
        evaluation = replace(evaluation, held_out=held_out.assign(drawn=drawn))
    stages.begin("save")
    extra = {"seconds": stages.seconds(), "peak_mb": peak_mb()}
    save_evaluation(run.folder, evaluation, {"health": None, "index": None, "negatives": None, **facts}, extra)
    stages.report({"type": "finished"})
    write_status(run.folder, "finished")
    write_manifest(run.folder)
    # last: a run that is killed before its manifest stands goes on from here
    forget_checkpoints(run.folder)


def _baselines(workspace: Workspace, run: Run, counted: Counted, stages: "_Stages") -> None:
    """Add the runs of the baselines that are not there yet; of runs at once, one computes them and the others wait."""
    with (workspace.home / "runs" / ".baselines").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for baseline in BASELINES:
            _baseline(workspace, run, baseline, counted, stages)


def _baseline(workspace: Workspace, run: Run, baseline: str, counted: Counted, stages: "_Stages") -> None:
    """Add a baseline's run beside this one, unless it is there or cannot be computed, which is told."""
    run_id = baseline_run_id(baseline, run.dataset, run.config)
    if any(folder.name == run_id for folder in workspace.run_folders()):
        return
    stages.report({"type": "baseline", "baseline": baseline})
    config = Config(model=baseline, split=run.config.split, pool=run.config.pool, eval=run.config.eval)
    own = _Stages(lambda event: None)
    own.begin("train")
    try:
        recommender = _computed(config, counted)
        with workspace.whole_run_folder(run_id) as folder:
            describe_run(folder, run.dataset, config, baseline, baseline)
            _evaluate_and_save(Run(folder), recommender, counted.dataset, counted.split(config), {}, own)
    except UserError as error:
        _leave_out(baseline, str(error), stages)
    except Exception as error:
        # a run does not fail for what it is compared with
        _leave_out(baseline, f"unexpected {type(error).__name__} (log.txt has the details)", stages)
        traceback.print_exc()


def _computed(config: Config, counted: Counted) -> Recommender:
    """The baseline that a config names, if there is memory for it."""
    dataset, scale = counted.dataset, counted.scale(config)
    check_baseline(config.model, dataset, scale.clicked)
    check_fits(config, lambda turned: need_of_baseline(turned, scale), free_bytes(), f"the baseline {config.model}")
    return BASELINES[config.model](dataset, counted.split(config), config, np.random.default_rng(config.seed))


def _leave_out(baseline: str, reason: str, stages: "_Stages") -> None:
    print(f"baseline {baseline} is left out: {reason}")
    stages.report({"type": "note", "note": f"The baseline {baseline} is left out: {reason}"})


@dataclass
class _Stages:
    """Reports each stage as it begins and times it."""

    report: Callable[[dict], None]
    begun: list[tuple[str, float]] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)

    def spend(self, stage: str, seconds: float) -> None:
        """Count what earlier processes of the same run spent on a stage."""
        self.spent[stage] = self.spent.get(stage, 0.0) + seconds

    def begin(self, stage: str) -> None:
        self.begun.append((stage, time.monotonic()))
        self.report({"type": "stage", "stage": stage})

    def seconds(self) -> dict[str, float]:
        ends = [start for _, start in self.begun[1:]] + [time.monotonic()]
        return {
            stage: end - start + self.spent.get(stage, 0.0)
            for (stage, start), end in zip(self.begun, ends, strict=True)
        }
