"""Every knob of a run, with its default and its limits. Keys are dotted on the command line: `negatives.k=5`."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dssm_core.errors import UserError, unknown_name

Model = Literal["two_tower", "random", "popular", "recent_popular", "item_knn", "ease"]
StrategyName = Literal[
    "uniform",
    "popularity",
    "ralm",
    "suppressed",
    "exposed",
    "funrec_mix",
    "same_attribute",
    "mined",
    "in_batch",
    "in_batch_streaming",
    "mixed",
    "cross_batch",
    "in_batch_hard",
]
TowerName = Literal["dssm", "senet", "youtube", "deepmatch"]
LossName = Literal["bce", "bpr", "triplet", "sampled_softmax", "in_batch_softmax"]
IndexName = Literal["exact", "annoy", "ivf"]
"""The names of the dicts BASELINES, STRATEGIES, TOWERS, LOSSES and INDEXES, here so that none needs TensorFlow."""

IN_BATCH = ("in_batch", "in_batch_streaming", "mixed", "cross_batch", "in_batch_hard")
"""Strategies that take the batch's other positives as negatives."""

DRAWN_PER_CLICK = ("exposed", "funrec_mix", "same_attribute", "mined")
"""Strategies that draw for each click's user or article, and so cannot be one set shared by a batch."""

FIRST_STAGE = "first_stage"
"""The `negatives.run` that trains the run to mine from as a first stage of the same run."""


_MOST = 2**31 - 1
"""The most of anything that is counted and otherwise unbounded: what indexes and seeds hold is of 32 bits."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitConfig(_Section):
    """How the log is cut into train, validation and test."""

    kind: Literal["time", "leave_last", "random", "column"] = Field(
        "time",
        description="time: the last days are test; leave_last: each user's last clicks; random: a share of the rows; column: the log's own `split`",
    )
    test_days: int = Field(1, ge=1, le=365, description="days of test at the end of the log (time)")
    train_days: int = Field(
        6, ge=1, le=3650, description="days of train before the test days (time); a log's history is always train"
    )
    test_clicks: int = Field(1, ge=1, le=1000, description="held-out clicks per user (leave_last)")
    test_share: float = Field(0.2, gt=0, lt=1, description="share of the rows that are test (random)")
    min_user_clicks: int = Field(0, ge=0, le=_MOST, description="users with fewer clicks in the log are left out")
    validation_users: int = Field(
        1000,
        ge=0,
        le=_MOST,
        description="users one of whose train clicks (the last; in a random split any) validates the epochs",
    )
    seed: int = Field(
        0, ge=0, le=_MOST, description="draws the random split and the validation users; runs to compare share it"
    )


class PoolConfig(_Section):
    """Which articles may be recalled."""

    max_age_days: float | None = Field(
        None,
        gt=0,
        le=36_500,
        description="oldest article that may be recalled, counted back from the cutoff; none: any age",
    )
    remove_seen: bool = Field(True, description="take what the user clicked in train out of the recall list")


class FeaturesConfig(_Section):
    """What the towers see."""

    user_id: bool = Field(True, description="an embedding per user")
    article_id: bool = Field(True, description="an embedding per article")
    user_attributes: list[str] | None = Field(
        None, description="user attributes to embed; none given: all of the dataset"
    )
    article_attributes: list[str] | None = Field(
        None, description="article attributes to embed; none given: all of the dataset"
    )
    id_dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="chance that an id is replaced by `unknown` while training, so that new articles get a sensible vector",
    )
    min_count: int = Field(1, ge=1, le=_MOST, description="values seen less often in train are `unknown`")
    title: bool | None = Field(
        None,
        description="hash the title's n-grams: letter trigrams with word boundaries, single Chinese characters and pairs; "
        "none: where the log has titles, but for deepmatch",
    )
    title_buckets: int = Field(20_000, ge=100, le=5_000_000, description="rows that the title's n-grams are hashed to")
    key_words: bool | None = Field(
        None,
        description="embed the article's key words, by weight where they have one; none: where the log has them, but for deepmatch",
    )
    dense: list[str] = Field(
        [], description="attributes of either side taken as numbers (scaled on train) instead of as categories"
    )


class NegativesConfig(_Section):
    """How articles taken as not clicked are drawn."""

    strategy: StrategyName = Field("in_batch", description="the way negatives are drawn")
    k: int = Field(5, ge=1, le=1000, description="negatives per click (funrec_mix: rank-based draws per user)")
    shared: int = Field(
        0,
        ge=0,
        le=65536,
        description="above 0: one set of this many negatives is drawn for the whole batch instead of k per click",
    )
    alpha: float = Field(0.75, ge=0, le=2, description="exponent of the exposure count (popularity)")
    attribute: str = Field(
        "cate",
        description="same_attribute draws articles that share this with the clicked one; a user attribute such as city "
        "draws articles clicked by users who share it",
    )
    run: str = Field(
        "",
        description=f"the earlier run that mined takes hard negatives from, or {FIRST_STAGE}: train one with in_batch first",
    )
    rank_from: int = Field(
        101, ge=1, le=10_000, description="first rank of the earlier run's recall list that is hard (mined)"
    )
    rank_to: int = Field(500, ge=1, le=10_000, description="last rank of it that is hard (mined)")
    hard_share: float = Field(
        0.01, ge=0, le=1, description="share of the draws that are hard; the others are uniform (mined)"
    )
    memory: int = Field(1, ge=1, le=1000, description="earlier batches whose articles are negatives too (cross_batch)")
    hardest: int = Field(
        100, ge=1, le=65_536, description="negatives of the batch that are kept, hardest first (in_batch_hard)"
    )
    blend: StrategyName | None = Field(None, description="a second strategy to blend in")
    blend_share: float = Field(
        0.5, ge=0, le=1, description="share of a click's negatives that the second strategy draws (blend, mixed)"
    )
    subsample: float = Field(
        0.0,
        ge=0,
        le=1,
        description="above 0: word2vec's threshold t; clicks on articles with a larger share of all clicks are thinned out",
    )


class TowerConfig(_Section):
    """The networks that map each side to a vector."""

    kind: TowerName = Field("dssm", description="the network")
    dim: int = Field(32, ge=2, le=1024, description="length of the user and article vectors")
    embedding_dim: int = Field(16, ge=1, le=1024, description="length of each field's embedding")
    hidden: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(
        [64],
        description="units of the hidden layers before the output; [] sums the fields' embeddings with no layers at all",
    )
    activation: Literal["relu", "tanh", "sigmoid"] = Field("relu", description="activation of the hidden layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the hidden layers")
    field_dims: dict[str, Annotated[int, Field(ge=1, le=1024)]] = Field(
        {}, description='fields with a shorter embedding than embedding_dim, such as {"device": 4}'
    )
    gate: Literal["sigmoid", "deepctr"] = Field(
        "sigmoid", description="the gate on the fields: ours, or DeepCTR's SENETLayer with its ReLU (senet)"
    )
    history: int = Field(20, ge=1, le=1000, description="last clicks whose mean the user tower sees (youtube)")


class LossConfig(_Section):
    """What training minimizes."""

    kind: LossName = Field("sampled_softmax", description="the objective")
    temperature: float | None = Field(
        None,
        ge=0.001,
        le=10,
        description="cosines are divided by it; none: 1 / ln(articles of train / 32), at most 1: lower for a larger log",
    )
    learn_temperature: bool = Field(False, description="train the temperature too, from this start")
    margin: float = Field(0.2, gt=0, le=2, description="by how much the clicked article's cosine must lead (triplet)")
    correction: bool = Field(
        True, description="subtract ln q(article), so that popular negatives are not pushed away for being drawn often"
    )
    correct_positive: bool = Field(True, description="subtract ln q from the clicked article's logit too")
    mask_known: bool = Field(True, description="leave out negatives that the user clicked elsewhere in train")


class TrainConfig(_Section):
    """How long and how fast."""

    batch_size: int = Field(1024, ge=2, le=65536, description="clicks per step")
    epochs: int = Field(16, ge=1, le=1000, description="passes over the clicks")
    learning_rate: float = Field(0.001, gt=0, le=10, description="of the dense layers (Adam)")
    embedding_learning_rate: float = Field(0.1, gt=0, le=10, description="of the embedding tables (row-wise Adagrad)")
    l2: float = Field(0.0, ge=0, le=1, description="weight decay on the embedding rows of the batch")
    keep: Literal["best", "last"] = Field(
        "best", description="which epoch's weights are kept: best by validation recall@50, or the last"
    )


class IndexConfig(_Section):
    """How recall lists are retrieved."""

    kind: IndexName = Field("exact", description="the index")
    trees: int = Field(10, ge=1, le=1000, description="number of trees (annoy)")
    search_k: int = Field(-1, ge=-1, le=_MOST, description="nodes looked at per query; -1: trees × K (annoy)")
    lists: int = Field(0, ge=0, le=1_000_000, description="number of clusters; 0: 4 × √articles (ivf)")
    probes: int = Field(48, ge=1, le=1_000_000, description="clusters looked at per query (ivf)")


class EvalConfig(_Section):
    """What is measured."""

    k: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        [10, 50, 200], min_length=1, max_length=10, description="lengths of the recall list"
    )
    users: int = Field(
        10_000,
        ge=1,
        le=_MOST,
        description="at most this many users with held-out clicks are evaluated (a fixed sample)",
    )
    bootstrap: int = Field(1000, ge=100, le=100_000, description="resamples behind each 95 % interval")

    @field_validator("k")
    @classmethod
    def _each_once(cls, k: list[int]) -> list[int]:
        if twice := next((length for length in k if k.count(length) > 1), None):
            raise ValueError(f"{twice} is named more than once: name each length of the list once")
        return k


class Config(_Section):
    """A run's whole config."""

    model: Model = Field("two_tower", description="two_tower, or a baseline")
    seed: int = Field(0, ge=0, le=_MOST, description="of everything that is drawn while training")
    split: SplitConfig = SplitConfig()
    pool: PoolConfig = PoolConfig()
    features: FeaturesConfig = FeaturesConfig()
    negatives: NegativesConfig = NegativesConfig()
    tower: TowerConfig = TowerConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    index: IndexConfig = IndexConfig()
    eval: EvalConfig = EvalConfig()

    @model_validator(mode="after")
    def _knobs_fit_together(self) -> "Config":
        for check in (_check_sources, _check_mined, _check_blend, _check_deepmatch, _check_field_dims):
            check(self)
        return self


def _check_sources(config: Config) -> None:
    negatives = config.negatives
    in_batch = negatives.strategy in IN_BATCH or negatives.blend in IN_BATCH
    if config.loss.kind == "in_batch_softmax" and not in_batch:
        raise ValueError(
            f"loss.kind in_batch_softmax takes the batch's other positives, not negatives.strategy {negatives.strategy}: "
            "set loss.kind=sampled_softmax, or negatives.strategy=in_batch"
        )
    for strategy in (negatives.strategy, negatives.blend):
        if negatives.shared and strategy in (*DRAWN_PER_CLICK, *IN_BATCH):
            raise ValueError(f"negatives of {strategy} cannot be shared by a batch: set negatives.shared=0")
    if "in_batch_hard" in (negatives.strategy, negatives.blend) and negatives.hardest >= config.train.batch_size:
        raise ValueError(
            f"in_batch_hard keeps the negatives.hardest={negatives.hardest} of a batch of {config.train.batch_size}: "
            "lower it, or raise train.batch_size"
        )


def _check_mined(config: Config) -> None:
    negatives = config.negatives
    if "mined" not in (negatives.strategy, negatives.blend):
        return
    if not negatives.run:
        raise ValueError(
            "negatives.strategy mined takes its hard negatives from an earlier run of the same dataset and split: set "
            f"negatives.run to its id, or to {FIRST_STAGE} to train one first"
        )
    if negatives.rank_from > negatives.rank_to:
        raise ValueError(
            f"negatives.rank_from={negatives.rank_from} lies behind negatives.rank_to={negatives.rank_to}: swap them"
        )


def _check_blend(config: Config) -> None:
    strategy, blend, share = (getattr(config.negatives, name) for name in ("strategy", "blend", "blend_share"))
    if blend is None and strategy != "mixed":
        return
    if blend == strategy:
        raise ValueError(f"negatives.blend {blend} is the strategy itself: set another, or none")
    if blend == "mixed":
        raise ValueError("negatives.blend mixed is itself a blend of in_batch and uniform: blend one of those")
    if blend and "funrec_mix" in (strategy, blend):
        raise ValueError(
            "negatives.strategy funrec_mix is itself a blend: blend exposed with ralm at a ratio of your own"
        )
    if blend in IN_BATCH and strategy in IN_BATCH:
        raise ValueError(
            f"negatives.strategy {strategy} and negatives.blend {blend} both take the batch's other positives: blend one "
            "with a strategy that draws, such as uniform"
        )
    drawn = 1 - share if blend in IN_BATCH else share
    if (strategy in IN_BATCH or blend in IN_BATCH) and drawn == 1:
        raise ValueError(
            "negatives.blend_share leaves none of the batch's other positives: choose the drawing strategy alone"
        )


def _check_deepmatch(config: Config) -> None:
    if config.tower.kind != "deepmatch":
        return
    negatives, loss, features = config.negatives, config.loss, config.features
    plain = negatives.strategy == "in_batch" and negatives.blend is None and not negatives.subsample
    if not (plain and loss.kind == "in_batch_softmax" and not loss.learn_temperature and features.article_id):
        raise ValueError(
            "tower.kind deepmatch trains by its own in-batch softmax over article ids: set negatives.strategy=in_batch "
            "without a blend, loss.kind=in_batch_softmax, loss.learn_temperature=false, negatives.subsample=0 and "
            "features.article_id=true"
        )
    if features.title or features.key_words or features.dense:
        raise ValueError(
            "tower.kind deepmatch sees single categories only: set features.title=false, features.key_words=false and "
            "features.dense=[]"
        )


def _check_field_dims(config: Config) -> None:
    for name, dim in config.tower.field_dims.items():
        if not config.tower.hidden or config.tower.kind == "deepmatch":
            raise ValueError(
                f"tower.field_dims {name!r} needs hidden layers of our own tower: set tower.hidden, or {{}}"
            )
        if dim > config.tower.embedding_dim:
            raise ValueError(
                f"tower.field_dims {name!r}: {dim} is above tower.embedding_dim={config.tower.embedding_dim}, the longest"
            )


def flatten(config: Config) -> dict[str, Any]:
    """Every knob by its dotted key, in the order of the sections."""
    flat: dict[str, Any] = {}
    for name, value in config.model_dump().items():
        flat.update(
            {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
    return flat


def unflatten(flat: dict[str, Any]) -> Config:
    """The config of dotted keys over the defaults; a UserError names an unknown key or a bad value."""
    unknown = [key for key in flat if key not in KEYS]
    if unknown:
        raise unknown_name("config key", unknown[0], KEYS)
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    try:
        return Config.model_validate(nested)
    except ValidationError as error:
        raise _bad_value(error) from None


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """`config` with `key=value` texts applied (values as JSON, lists also as `10,50`)."""
    flat = flatten(config)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"bad setting {setting!r}: write it as key=value, such as negatives.k=5")
        flat[key.strip()] = _value(key.strip(), text.strip())
    return unflatten(flat)


def differences(one: Config, other: Config) -> dict[str, tuple[Any, Any]]:
    """The dotted keys in which two configs differ, with both values."""
    left, right = flatten(one), flatten(other)
    return {key: (left[key], right[key]) for key in left if left[key] != right[key]}


def settings_between(one: Config, other: Config) -> list[str]:
    """The `key=value` texts with which `with_settings` makes of one config the other."""
    return [f"{key}={as_text(key, now)}" for key, (_, now) in differences(one, other).items()]


def as_text(key: str, value: Any) -> str:
    """A value as it is typed after `key=`, which reads back as the same."""
    if isinstance(value, str) and value == value.strip() and _value(key, value) == value:
        return value
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _value(key: str, text: str) -> Any:
    if text in ("none", "null"):
        return None
    is_list = isinstance(KEYS.get(key), list) or key.endswith("_attributes")
    try:
        value = json.loads(f"[{text}]" if is_list and not text.startswith("[") else text)
    except json.JSONDecodeError:
        value = text.split(",") if is_list else text
    return value


def _bad_value(error: ValidationError) -> UserError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    if not key:
        return UserError(first["msg"].removeprefix("Value error, "))
    told = first["msg"].removeprefix("Value error, ")
    return UserError(f"bad value {first['input']!r} for {key}: {told[0].lower()}{told[1:]}")


KEYS: dict[str, Any] = flatten(Config())
"""Every dotted key with its default."""

DESCRIPTIONS: dict[str, str] = {
    (f"{name}.{key}" if key else name): description
    for name, section in Config.model_fields.items()
    for key, description in (
        [(key, inner.description) for key, inner in section.annotation.model_fields.items()]
        if isinstance(section.annotation, type) and issubclass(section.annotation, BaseModel)
        else [("", section.description)]
    )
}
"""Every dotted key with one sentence that says what it does."""
