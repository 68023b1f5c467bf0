"""Trains DeepMatch's own DSSM by its own loss and `model.fit`: a reference to compare with."""

import time
from collections.abc import Callable

import keras
import numpy as np

from dssm_core.checkpoint import generator_state, set_generator_state
from dssm_core.config import Config
from dssm_core.deep_libraries import DSSM, NegativeSampler, SparseFeat, sampledsoftmaxloss
from dssm_core.features import Features, Side
from dssm_core.losses import with_temperature
from dssm_core.strategy import batch_size
from dssm_core.training_data import TrainingData

_SECONDS_PER_REPORT = 0.5
_EMBED_BATCH = 8192


class DeepMatchModel:
    """DeepMatch's DSSM over the same fields as ours; of a field with several values it sees the first."""

    def __init__(self, features: Features, config: Config, clicks: np.ndarray):
        self._users, self._articles = _codes(features.users), _codes(features.articles)
        counts = np.bincount(
            self._articles["article_id"], weights=clicks, minlength=len(features.articles.fields[0].values)
        )
        layers = (*config.tower.hidden, config.tower.dim)
        keras.utils.set_random_seed(config.seed)
        self.network = DSSM(
            _columns(features.users, config),
            _columns(features.articles, config),
            user_dnn_hidden_units=layers,
            item_dnn_hidden_units=layers,
            dnn_activation=config.tower.activation,
            dnn_dropout=config.tower.dropout,
            loss_type="softmax",
            temperature=config.loss.temperature,
            # DeepMatch takes the logarithm of every count, so none may be 0
            sampler_config=NegativeSampler("inbatch", 0, "article_id", np.maximum(counts, 1).tolist()),
            seed=config.seed,
        )
        self.network.compile(keras.optimizers.Adam(config.train.learning_rate), loss=sampledsoftmaxloss)
        self._user_network = keras.Model(self.network.user_input, self.network.user_embedding)
        self._article_network = keras.Model(self.network.item_input, self.network.item_embedding)

    def inputs(self, users: np.ndarray, articles: np.ndarray) -> dict[str, np.ndarray]:
        """What the network takes for (user, article) pairs of rows."""
        return _take(self._users, users) | _take(self._articles, articles)

    def embed_users(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of user rows."""
        return self._user_network.predict(_take(self._users, rows), batch_size=_EMBED_BATCH, verbose=0)

    def embed_articles(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors (n, dim) float32 of article rows."""
        return self._article_network.predict(_take(self._articles, rows), batch_size=_EMBED_BATCH, verbose=0)

    def weights(self) -> dict[str, np.ndarray]:
        """Everything trained, by number."""
        return {f"weight_{i}": weight for i, weight in enumerate(self.network.get_weights())}

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Put back what `weights` returned."""
        self.network.set_weights([weights[f"weight_{i}"] for i in range(len(weights))])


class DeepMatchLearner:
    """Feeds the clicks to DeepMatch's `model.fit`, an epoch at a time. Its softmax is in-batch: nothing is drawn."""

    def __init__(self, features: Features, data: TrainingData, config: Config):
        config = with_temperature(config, len(data.counts.pool))
        self.model = DeepMatchModel(features, config, data.counts.clicks)
        self._temperature = config.loss.temperature
        self.batch = batch_size(config.train.batch_size, len(data.clicks))
        self.steps = -(-len(data.clicks.users) // self.batch)
        self._data = data
        self._rng = np.random.default_rng(config.seed)

    def epoch(self, progress: Callable[[int, np.ndarray], None]) -> None:
        """One pass over the clicks."""
        reporter = _Reporter(progress)
        # shuffled here: Keras draws an order that nobody could go on from in another process
        clicks = self._data.clicks.at(self._rng.permutation(len(self._data.clicks)))
        self.model.network.fit(
            self.model.inputs(clicks.users, clicks.articles),
            np.zeros(len(clicks), np.float32),
            batch_size=self.batch,
            shuffle=False,
            verbose=0,
            callbacks=[reporter],
        )

    def validate(self) -> dict:
        """DeepMatch's loss on the validation clicks."""
        if not len(self._data.validation.users):
            return {"validation_loss": None}
        loss = self.model.network.evaluate(
            self.model.inputs(self._data.validation.users, self._data.validation.articles),
            np.zeros(len(self._data.validation.users), np.float32),
            batch_size=self.batch,
            verbose=0,
        )
        return {"validation_loss": float(loss)}

    def facts(self) -> dict:
        """Its fields have no gate."""
        return {"temperature": self._temperature, "field_weights": None}

    def state(self) -> dict[str, np.ndarray]:
        """What the next epoch needs beside the model's weights to be the one that it would have been."""
        variables = {f"variable_{i}": variable.numpy() for i, variable in enumerate(self._variables)}
        return {"rng": generator_state(self._rng), **variables}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        set_generator_state(self._rng, state["rng"])
        self.model.network.optimizer.build(self.model.network.trainable_variables)
        for i, variable in enumerate(self._variables):
            variable.assign(state[f"variable_{i}"])

    @property
    def _variables(self) -> list:
        """The optimizer's, and the state of the dropout."""
        network = self.model.network
        weights = {id(variable) for variable in network.weights}
        others = [variable for variable in network.variables if id(variable) not in weights]
        return [*network.optimizer.variables, *others]


class _Reporter(keras.callbacks.Callback):
    """Passes the loss on about twice a second. Keras gives the mean of the epoch so far, from which it is taken."""

    def __init__(self, progress: Callable[[int, np.ndarray], None]):
        super().__init__()
        self._progress = progress
        self._losses: list[float] = []
        self._done, self._total, self._last = 0, 0.0, time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Note the step's loss."""
        self._done += 1
        total, self._total = self._total, logs["loss"] * self._done
        self._losses.append(self._total - total)
        if time.monotonic() - self._last >= _SECONDS_PER_REPORT:
            self._pass_on()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Pass on what is left."""
        if self._losses:
            self._pass_on()

    def _pass_on(self) -> None:
        losses, self._losses, self._last = np.array(self._losses), [], time.monotonic()
        self._progress(len(losses), losses)


def _codes(side: Side) -> dict[str, np.ndarray]:
    """Each field's value number by row of the dataset's table, 0 for "unknown": its first slot."""
    starts = np.cumsum([0, *side.widths])
    return {
        field.name: np.maximum(side.slots[:, start] - field.first_row, 0)
        for field, start in zip(side.fields, starts, strict=False)
    }


def _columns(side: Side, config: Config) -> list[SparseFeat]:
    return [
        SparseFeat(field.name, len(field.values), embedding_dim=config.tower.embedding_dim) for field in side.fields
    ]


def _take(codes: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in codes.items()}
