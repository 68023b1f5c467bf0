"""One training step as plain as can be: float64, loops over rows, gradients by finite differences. For tests alone."""

import numpy as np

from dssm_core.config import Config

_DIFFERENCE = 1e-6
_EPSILON = 1e-12  # of row-wise Adagrad
_ADAM = (0.9, 0.999, 1e-7)  # Keras's defaults


class PlainStep:
    """A model's weights by name, and the step on one batch after another.

    `weights`: `users` and `articles` are tables (rows, d), `dense_0` … the user tower's kernels, then its biases, then
    the article tower's. `slots`, `slot_weights`: of each side, (rows of the dataset's table, slots); `widths`: slots of
    each field.
    """

    def __init__(self, weights: dict, slots: dict, slot_weights: dict, widths: dict, log_q: np.ndarray, config: Config):
        self.weights = {name: np.array(array, np.float64) for name, array in weights.items()}
        self._slots, self._slot_weights, self._widths = slots, slot_weights, widths
        self._log_q, self._config = log_q, config
        self.accumulators = {side: np.zeros(len(self.weights[side])) for side in ("users", "articles")}
        self._moments = {name: (0.0, 0.0) for name in self.weights if name.startswith("dense")}
        self._steps = 0

    def loss(self, users, positives, own, shared, known, in_batch: bool) -> float:
        """Mean loss of a batch. `known`: the pairs (row, column) of the batch's and shared articles to leave out."""
        rows = []
        for row, user in enumerate(users):
            vector = self._vector("users", user)
            negatives = [*(positives if in_batch else []), *shared]
            kept = [a for column, a in enumerate(negatives) if (row, column) not in known] + list(own[row])
            kept = [a for a in kept if a not in (0, positives[row])]
            n = len(negatives) + len(own[row]) - in_batch
            logits = [self._logit(vector, a, n, True) for a in kept]
            positive = self._logit(vector, positives[row], n, self._config.loss.correct_positive)
            rows.append(self._loss_of_row(positive, np.array(logits)))
        return float(np.mean(rows))

    def train(self, *batch) -> float:
        """The batch's loss; then moves the dense weights by Adam and the batch's rows by row-wise Adagrad."""
        loss, gradients = self.loss(*batch), {name: self._gradient(name, batch) for name in self.weights}
        self._steps += 1
        for name, gradient in gradients.items():
            (self._adagrad if name in self.accumulators else self._adam)(name, gradient)
        return loss

    def _vector(self, side: str, row: int) -> np.ndarray:
        table, fields, at = self.weights[side], [], 0
        for width in self._widths[side]:
            columns = range(at, at + width)
            fields.append(sum(table[self._slots[side][row, i]] * self._slot_weights[side][row, i] for i in columns))
            at += width
        hidden = np.concatenate(fields)
        dense = [self.weights[name] for name in sorted(self._moments)]
        layers = dense[: len(dense) // 2] if side == "users" else dense[len(dense) // 2 :]
        kernels, biases = layers[: len(layers) // 2], layers[len(layers) // 2 :]
        for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
            hidden = np.maximum(hidden @ kernel + bias, 0)
        hidden = hidden @ kernels[-1] + biases[-1]
        return hidden / np.linalg.norm(hidden)

    def _logit(self, user: np.ndarray, article: int, n: int, corrected: bool) -> float:
        cosine = user @ self._vector("articles", article)
        correction = self._log_q[article] + np.log(n) if corrected and self._config.loss.correction else 0.0
        return cosine / self._config.loss.temperature - correction

    def _loss_of_row(self, positive: float, negatives: np.ndarray) -> float:
        if not len(negatives):
            return np.log1p(np.exp(-positive)) if self._config.loss.kind == "bce" else 0.0
        margin = self._config.loss.margin / self._config.loss.temperature
        losses = {
            "bce": lambda: np.log1p(np.exp(-positive)) + np.log1p(np.exp(negatives)).sum(),
            "bpr": lambda: np.log1p(np.exp(negatives - positive)).mean(),
            "triplet": lambda: np.maximum(0, margin + negatives - positive).mean(),
        }
        softmax = lambda: np.log(np.exp([positive, *negatives]).sum()) - positive  # noqa: E731
        return losses.get(self._config.loss.kind, softmax)()

    def _gradient(self, name: str, batch: tuple) -> np.ndarray:
        weights, gradient = self.weights[name], np.zeros_like(self.weights[name])
        for place in np.ndindex(weights.shape):
            was = weights[place]
            weights[place] = was + _DIFFERENCE
            above = self.loss(*batch)
            weights[place] = was - _DIFFERENCE
            gradient[place] = (above - self.loss(*batch)) / (2 * _DIFFERENCE)
            weights[place] = was
        return gradient

    def _adagrad(self, side: str, gradient: np.ndarray) -> None:
        for row in range(len(gradient)):
            if gradient[row].any():
                self.accumulators[side][row] += (gradient[row] ** 2).mean()
                rate = self._config.train.embedding_learning_rate / np.sqrt(self.accumulators[side][row] + _EPSILON)
                self.weights[side][row] -= rate * gradient[row]

    def _adam(self, name: str, gradient: np.ndarray) -> None:
        first, second, epsilon = _ADAM
        mean, square = self._moments[name]
        mean, square = first * mean + (1 - first) * gradient, second * square + (1 - second) * gradient**2
        self._moments[name] = mean, square
        unbiased = np.sqrt(1 - second**self._steps) / (1 - first**self._steps)
        self.weights[name] -= self._config.train.learning_rate * unbiased * mean / (np.sqrt(square) + epsilon)
