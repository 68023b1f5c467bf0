"""A made-up world of users and articles whose tastes are known, and the feed that shows one to the other.

What is to be learned: a user likes one to four topics (sub_cates; in part told by age, gender and city) and has a
latent taste; an article has a topic, a latent vector around its topic and its title's subject, and a quality in part
told by its title and images; the feed shows fresh articles; those high on the page are clicked more.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dssm_core import demo_words as words

HOUR = 3_600_000
DAY = 24 * HOUR
STOCK_DAYS = 3
HALF_LIFE_HOURS = 16
LATENT_DIM = 8
MAX_TASTES = 4
TASTE_SHARE = 0.6
"""The share of exposures drawn by the user's tastes; the others are drawn by popularity alone."""
CLICK_RATE = 0.10
CLICK = {"taste": 3.2, "latent": 1.8, "quality": 0.9, "position": -0.35}
"""Log odds of a click per unit of taste match (0 to 1), latent match (-1 to 1), quality and ln(1 + expo_position)."""
POPULARITY = 1.1
"""Log of how much oftener an article is shown per unit of quality."""

TOPICS = [(cate, sub) for cate, subs in words.TOPICS.items() for sub in subs]
"""(cate, sub_cate) of every topic; topics of a category stand together."""
CATEGORY = np.array([list(words.TOPICS).index(cate) for cate, _ in TOPICS])
PLACES = [(province, city) for province, cities in words.CITIES.items() for city in cities.split()]

_NEWSROOM = np.array([2, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 8, 7, 7, 8, 8, 8, 8, 7, 7, 6, 6, 5, 3], dtype=float)
_READING = np.array([3, 1, 1, 1, 1, 2, 5, 8, 8, 6, 5, 6, 9, 8, 5, 5, 5, 6, 7, 8, 9, 10, 9, 6], dtype=float)
_WINDOW = 6 * DAY
_KEPT = 50
_ROUNDS = 4
_SHOWN_AGAIN = 0.1


@dataclass(frozen=True)
class PlantedUsers:
    """Users and their tastes. All arrays have one row a user.

    `id` int64; `age`, `female`, `place` (row of `PLACES`) and `ios` are what the profile tells; `tastes` (users, 4) are
    topics, best first, with `weights` (users, 4) summing to 1, 0 for those not had; `latent` (users, 8) are unit
    vectors; `activity` is the share of all exposures.
    """

    id: np.ndarray
    age: np.ndarray
    female: np.ndarray
    place: np.ndarray
    ios: np.ndarray
    tastes: np.ndarray
    weights: np.ndarray
    latent: np.ndarray
    activity: np.ndarray


@dataclass(frozen=True)
class PlantedArticles:
    """Articles in the order of their creation. All arrays have one row an article.

    `id` and `ctime` (milliseconds) int64; `topic` is a row of `TOPICS`; `subject` (row of `SUBJECTS`) and `template` of
    the title and `images` are what the article tells of `latent` (articles, 8; unit vectors) and `quality` (about
    standard normal).
    """

    id: np.ndarray
    ctime: np.ndarray
    topic: np.ndarray
    subject: np.ndarray
    template: np.ndarray
    images: np.ndarray
    latent: np.ndarray
    quality: np.ndarray

    @cached_property
    def popularity(self) -> np.ndarray:
        """How often the feed shows an article, relative to others of its age: (articles,) float64."""
        return np.exp(POPULARITY * self.quality.astype(np.float64))


class Lists:
    """Lists of words, one a topic, from which many topics' words are drawn at once."""

    def __init__(self, lists: list[list[str]]):
        self.words = np.array([word for one in lists for word in one], dtype=object)
        self._count = np.array([len(one) for one in lists])
        self._start = np.cumsum(self._count) - self._count

    def draw(self, rng: np.random.Generator, topic: np.ndarray) -> np.ndarray:
        """A random row of `words` for each topic."""
        return self._start[topic] + (rng.random(len(topic)) * self._count[topic]).astype(np.int64)


SUBJECTS = Lists([words.TOPICS[cate][sub][0].split() for cate, sub in TOPICS])
ASPECTS = Lists([words.TOPICS[cate][sub][1].split() for cate, sub in TOPICS])


@dataclass(frozen=True)
class World:
    """Users, articles and the topics' own vectors, in a log of `days` days from `start` (milliseconds, a midnight)."""

    users: PlantedUsers
    articles: PlantedArticles
    start: int
    days: int

    def click_logit(self, user: np.ndarray, article: np.ndarray, position: np.ndarray | float = 0) -> np.ndarray:
        """Log odds of a click, up to the constant that sets the day's click rate. Rows broadcast against each other."""
        users, articles = self.users, self.articles
        latent = np.einsum("...d,...d->...", users.latent[user], articles.latent[article])
        taste = self.taste_match(user, article)
        seen = np.log1p(np.asarray(position, np.float32))
        shown = CLICK["quality"] * articles.quality[article] + CLICK["position"] * seen
        return CLICK["taste"] * taste + CLICK["latent"] * latent + shown

    def taste_match(self, user: np.ndarray, article: np.ndarray) -> np.ndarray:
        """0.6 to 1 where the article's topic is a taste of the user, 0.3 where only its category is, else 0."""
        topic = self.articles.topic[article][..., None]
        tastes, weights = self.users.tastes[user], self.users.weights[user]
        degree = np.where(tastes == topic, 0.6 + 0.4 * weights, 0.3 * (CATEGORY[tastes] == CATEGORY[topic]))
        return np.max(degree * (weights > 0), axis=-1).astype(np.float32)


def plant(rng: np.random.Generator, users: int, articles: int, start: int, days: int) -> World:
    """Make a world of that many users and articles."""
    topic_vectors = _unit(rng.normal(size=(len(TOPICS), LATENT_DIM)))
    return World(
        _plant_users(rng, users, topic_vectors), _plant_articles(rng, articles, topic_vectors, start, days), start, days
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def falling(n: int, offset: float = 1.0) -> np.ndarray:
    """Shares 1/(offset), 1/(offset + 1), … of n things, summing to 1."""
    shares = 1 / (np.arange(n) + offset)
    return shares / shares.sum()


def _plant_users(rng: np.random.Generator, n: int, topic_vectors: np.ndarray) -> PlantedUsers:
    age = rng.choice(len(words.AGES), n, p=words.AGE_SHARES)
    female = rng.random(n) < words.FEMALE_SHARE
    province_share = dict(zip(words.CITIES, falling(len(words.CITIES), 4), strict=True))
    place_share = [
        share * part for p, share in province_share.items() for part in falling(len(words.CITIES[p].split()))
    ]
    place = rng.choice(len(PLACES), n, p=place_share)
    tastes, weights = _tastes(rng, age, female, place)
    around = np.einsum("ut,utd->ud", weights, topic_vectors[tastes])
    return PlantedUsers(
        id=1_000_000_000 + np.cumsum(rng.integers(1, 2000, n)),
        age=age,
        female=female,
        place=place,
        ios=rng.random(n) < words.IOS_SHARE,
        tastes=tastes,
        weights=weights,
        latent=_unit(0.5 * around + _unit(rng.normal(size=(n, LATENT_DIM)))),
        activity=_shares(rng.lognormal(0, 1, n)),
    )


def _shares(values: np.ndarray) -> np.ndarray:
    return values / values.sum()


def _tastes(
    rng: np.random.Generator, age: np.ndarray, female: np.ndarray, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each user's topics without replacement, likelier where their kind leans (Gumbel's trick), and weights."""
    share, by_age, by_women = zip(*(words.CATEGORIES[cate] for cate, _ in TOPICS), strict=True)
    lean = np.log(share) + np.array(by_age).T[age] + np.outer(np.where(female, 1, -1), by_women)
    lean += rng.normal(0, 0.7, (len(PLACES), len(TOPICS)))[place] + rng.gumbel(size=lean.shape)
    tastes = np.argsort(-lean, axis=1)[:, :MAX_TASTES].astype(np.int16)
    had = np.arange(MAX_TASTES) < rng.choice(MAX_TASTES, len(age), p=(0.2, 0.35, 0.3, 0.15))[:, None] + 1
    weights = had * 0.6 ** np.arange(MAX_TASTES)
    return tastes, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _plant_articles(
    rng: np.random.Generator, n: int, topic_vectors: np.ndarray, start: int, days: int
) -> PlantedArticles:
    topic = rng.choice(len(TOPICS), n, p=_topic_shares(rng))
    subject, template = SUBJECTS.draw(rng, topic), rng.integers(0, 1 << 30, n) % _templates()[topic]
    images = rng.choice(10, n, p=(0.08, 0.38, 0.04, 0.38, 0.03, 0.02, 0.02, 0.02, 0.01, 0.02))
    of_subject = _unit(rng.normal(size=(len(SUBJECTS.words), LATENT_DIM)))
    latent = 0.6 * topic_vectors[topic] + of_subject[subject] + 0.5 * _unit(rng.normal(size=(n, LATENT_DIM)))
    return PlantedArticles(
        id=460_000_000 + np.cumsum(rng.integers(1, 200, n)),
        ctime=_creation_times(rng, n, start, days),
        topic=topic,
        subject=subject,
        template=template,
        images=images,
        latent=_unit(latent),
        quality=_quality(rng, CATEGORY[topic], subject, template, images),
    )


def _topic_shares(rng: np.random.Generator) -> np.ndarray:
    """Shares of the topics: their category's, divided unevenly among its sub_cates."""
    inside = rng.uniform(0.5, 1.5, len(TOPICS))
    inside /= np.bincount(CATEGORY, inside)[CATEGORY]
    return _shares(inside * np.array([words.CATEGORIES[cate][0] for cate, _ in TOPICS]))


def _templates() -> np.ndarray:
    return np.array([len(words.TEMPLATES[cate]) for cate, _ in TOPICS])


def _quality(
    rng: np.random.Generator, category: np.ndarray, subject: np.ndarray, template: np.ndarray, images: np.ndarray
) -> np.ndarray:
    """About half of the variance is told by subject, title pattern and images; the rest is luck."""
    of_subject = rng.normal(size=len(SUBJECTS.words))[subject]
    of_template = rng.normal(size=(len(words.TEMPLATES), template.max() + 1))[category, template]
    of_images = np.where(images >= 3, 0.8, np.where(images == 0, -1.2, -0.3))
    return (0.55 * of_subject + 0.4 * of_template + 0.3 * of_images + 0.7 * rng.normal(size=len(subject))).astype(
        np.float32
    )


def _moments(rng: np.random.Generator, n: int, by_hour: np.ndarray) -> np.ndarray:
    """Random milliseconds of a day, with its rhythm."""
    return rng.choice(24, n, p=_shares(by_hour)) * HOUR + rng.integers(0, HOUR, n)


def _creation_times(rng: np.random.Generator, n: int, start: int, days: int) -> np.ndarray:
    """Ascending; a fixed share lies in the days before the log, so that its first minute has articles to show."""
    stock = max(10, round(n * STOCK_DAYS / (STOCK_DAYS + days)))
    day = np.concatenate([rng.integers(-STOCK_DAYS, 0, stock), rng.integers(0, days, n - stock)])
    return np.sort(start + day * DAY + _moments(rng, n, _NEWSROOM))


class Shelf:
    """The articles that one day's feed draws from, in groups; draws among those that exist at the time.

    An article's weight is popularity × 2^(-age / half-life). Seen from any one moment the age differs from -ctime by a
    constant, so one cumulative sum in the order (group, ctime) serves all moments: what exists is a prefix of a group.
    """

    def __init__(self, articles: PlantedArticles, group: np.ndarray, groups: int, day_start: int):
        before = np.searchsorted(articles.ctime, day_start)
        first = max(0, min(np.searchsorted(articles.ctime, day_start - _WINDOW), before - _KEPT))
        last = np.searchsorted(articles.ctime, day_start + DAY)
        self._origin, self._span = articles.ctime[first], day_start + DAY - articles.ctime[first]
        self._rows = first + np.argsort(group[first:last], kind="stable")
        age = (articles.ctime[self._rows] - self._origin) / (HALF_LIFE_HOURS * HOUR)
        self._key = group[self._rows] * self._span + articles.ctime[self._rows] - self._origin
        self._sums = np.concatenate([[0.0], np.cumsum(articles.popularity[self._rows] * 2.0**age)])
        self._begin = np.searchsorted(self._key, np.arange(groups) * self._span)

    def draw(self, rng: np.random.Generator, group: np.ndarray, time: np.ndarray) -> np.ndarray:
        """An article of each group created by each time, -1 where there is none."""
        begin = self._begin[group]
        end = np.searchsorted(self._key, group * self._span + time - self._origin, side="right")
        wanted = self._sums[begin] + rng.random(len(group)) * (self._sums[end] - self._sums[begin])
        place = np.clip(np.searchsorted(self._sums, wanted, side="right") - 1, begin, np.maximum(end - 1, begin))
        return np.where(end > begin, self._rows[np.minimum(place, len(self._rows) - 1)], -1)


class Feed:
    """Shows articles to users, day after day, and remembers what it has shown.

    An article is shown to a user at most once a day, and seldom again on a later day.
    """

    def __init__(self, world: World):
        self.world = world
        self._shown = np.empty(0, np.int64)

    def day(self, rng: np.random.Generator, day: int, wanted: int) -> dict[str, np.ndarray]:
        """Up to `wanted` exposures of one day, by time; fewer where there is too little to show. Columns, all int64:

        `user` and `article` (rows), `expo_time`, `net_status`, `flush_nums`, `expo_position`, `click`, `duration`.
        """
        rows = self._visits(rng, day, round(wanted * 1.05) + 20)
        rows["article"], fresh = self._articles(rng, day, rows["user"], rows["expo_time"])
        kept = np.flatnonzero(fresh)
        kept = np.sort(rng.permutation(kept)[:wanted])
        rows = {name: values[kept] for name, values in rows.items()}
        self._shown = np.sort(np.concatenate([self._shown, self._keys(rows["user"], rows["article"])]))
        return {**rows, **self._clicks(rng, rows)}

    def _visits(self, rng: np.random.Generator, day: int, n: int) -> dict[str, np.ndarray]:
        """Users, times and positions. A user pulls the page down and gets a handful of articles at one instant."""
        sizes = 1 + rng.poisson(4, n // 4 + 10)
        sizes = sizes[: np.searchsorted(np.cumsum(sizes), n) + 1]
        flushes = len(sizes)
        user = np.searchsorted(np.cumsum(self.world.users.activity), rng.random(flushes) * (1 - 1e-9))
        time = np.sort(self.world.start + day * DAY + _moments(rng, flushes, _READING))
        flush = np.repeat(np.arange(flushes), sizes)
        inside = np.arange(len(flush)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return {
            "user": user[flush],
            "expo_time": time[flush],
            "net_status": rng.choice([5, 2, 4, 3], flushes, p=(0.82, 0.14, 0.03, 0.01))[flush],
            "flush_nums": _order_within(user)[flush],
            "expo_position": 6 * (rng.geometric(0.45, flushes)[flush] - 1) + inside,
        }

    def _articles(
        self, rng: np.random.Generator, day: int, user: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """An article for each exposure, and whether it may be shown; those that may not are drawn again a few times."""
        shelves = self._shelves(day)
        article = self._draw(rng, shelves, user, time)
        for _ in range(_ROUNDS):
            again = np.flatnonzero(~self._fresh(rng, user, article))
            article[again] = shelves[0].draw(rng, np.zeros(len(again), np.int64), time[again])
        return article, self._fresh(rng, user, article)

    def _shelves(self, day: int) -> tuple[Shelf, Shelf]:
        articles, start = self.world.articles, self.world.start + day * DAY
        return Shelf(articles, np.zeros_like(articles.topic), 1, start), Shelf(
            articles, articles.topic, len(TOPICS), start
        )

    def _draw(
        self, rng: np.random.Generator, shelves: tuple[Shelf, Shelf], user: np.ndarray, time: np.ndarray
    ) -> np.ndarray:
        """By taste: of two articles of a topic the user likes, the one nearer the latent taste. Else by popularity."""
        everything, by_topic = shelves
        article = everything.draw(rng, np.zeros(len(user), np.int64), time)
        tasteful = np.flatnonzero(rng.random(len(user)) < TASTE_SHARE)
        user, time = user[tasteful], time[tasteful]
        topic = self._topics(rng, user)
        one, other = by_topic.draw(rng, topic, time), by_topic.draw(rng, topic, time)
        better = np.where(self._match(user, one) >= self._match(user, other), one, other)
        article[tasteful] = np.where(one >= 0, better, article[tasteful])
        return article

    def _topics(self, rng: np.random.Generator, user: np.ndarray) -> np.ndarray:
        """One of each user's topics by weight; now and then another of the same category."""
        sums = np.cumsum(self.world.users.weights[user], axis=1)
        slot = np.minimum((rng.random(len(user))[:, None] >= sums).sum(axis=1), MAX_TASTES - 1)
        slot = np.where(self.world.users.weights[user, slot] > 0, slot, 0)
        topic = self.world.users.tastes[user, slot].astype(np.int64)
        count, first = np.bincount(CATEGORY), np.searchsorted(CATEGORY, np.arange(CATEGORY.max() + 1))
        beside = first[CATEGORY[topic]] + (rng.random(len(topic)) * count[CATEGORY[topic]]).astype(np.int64)
        return np.where(rng.random(len(topic)) < 0.2, beside, topic)

    def _match(self, user: np.ndarray, article: np.ndarray) -> np.ndarray:
        return np.einsum("nd,nd->n", self.world.users.latent[user], self.world.articles.latent[article])

    def _keys(self, user: np.ndarray, article: np.ndarray) -> np.ndarray:
        return user * np.int64(len(self.world.articles.id)) + article

    def _fresh(self, rng: np.random.Generator, user: np.ndarray, article: np.ndarray) -> np.ndarray:
        keys = self._keys(user, article)
        fresh = (article >= 0) & (_order_within(keys) == 0)
        if not len(self._shown):
            return fresh
        place = np.minimum(np.searchsorted(self._shown, keys), len(self._shown) - 1)
        return fresh & ((self._shown[place] != keys) | (rng.random(len(keys)) < _SHOWN_AGAIN))

    def _clicks(self, rng: np.random.Generator, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        logit = self.world.click_logit(rows["user"], rows["article"], rows["expo_position"])
        click = rng.random(len(logit)) < _sigmoid(logit + _bias_for(logit, CLICK_RATE))
        seconds = np.maximum(1, rng.lognormal(3.7, 1.0, len(click)).astype(np.int64))
        # Real logs hold a few negative durations; they are kept as they are.
        seconds = np.where(rng.random(len(click)) < 0.004, -seconds, seconds)
        return {"click": click.astype(np.int64), "duration": np.where(click, seconds, 0)}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _bias_for(logit: np.ndarray, rate: float) -> float:
    """The constant that makes the mean click probability `rate`, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(logit + middle).mean() < rate else (low, middle)
    return low


def _order_within(keys: np.ndarray) -> np.ndarray:
    """For each entry, how many equal ones stand before it."""
    order = np.argsort(keys, kind="stable")
    first = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
    place = np.arange(len(keys))
    before = np.empty(len(keys), np.int64)
    before[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return before
