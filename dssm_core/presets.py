"""Named configs: strategy, tower, loss and knobs together, each with where it comes from."""

from dataclasses import dataclass

from dssm_core.config import Config, with_settings
from dssm_core.errors import unknown_name


@dataclass(frozen=True)
class Preset:
    """A named config: `settings` over the defaults, one sentence on what it is for, and its paper or source."""

    settings: tuple[str, ...]
    summary: str
    source: str

    @property
    def config(self) -> Config:
        """The whole config."""
        return with_settings(Config(), self.settings)


_SAMPLED = ("loss.kind=sampled_softmax", "negatives.shared=1024")

_ID_COSINE = (
    "negatives.strategy=uniform",
    "negatives.shared=512",
    "features.user_attributes=[]",
    "features.article_attributes=[]",
    "features.id_dropout=0",
    "tower.hidden=[]",
    "tower.dim=128",
    "train.batch_size=256",
    "train.epochs=24",
    "train.keep=last",
)

PRESETS: dict[str, Preset] = {
    "in_batch": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax"),
        "Other clicks of the batch as negatives, corrected for popularity: cheap, and strong where clicks are many.",
        "Yi et al., Sampling-bias-corrected neural modeling for large corpus item recommendations, RecSys 2019",
    ),
    "in_batch_uncorrected": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax", "loss.correction=false"),
        "The same without the correction: popular articles are pushed away for being drawn often.",
        "Covington et al., RecSys 2016; the bias is described by Yi et al., RecSys 2019",
    ),
    "uniform": Preset(
        ("negatives.strategy=uniform", *_SAMPLED),
        "Global random negatives, one set a batch: the honest default, close to what recall meets when it serves.",
        "Huang et al., Embedding-based retrieval in Facebook search, KDD 2020, section 2.2",
    ),
    "popularity": Preset(
        ("negatives.strategy=popularity", *_SAMPLED),
        "Popular articles oversampled as negatives, by exposure to the power 0.75.",
        "Mikolov et al., Distributed representations of words and phrases, NeurIPS 2013",
    ),
    "ralm": Preset(
        ("negatives.strategy=ralm", *_SAMPLED),
        "Negatives drawn log-uniformly by popularity rank: popular ones oversampled, no counts needed.",
        "Liu et al., Real-time attention based look-alike model, KDD 2019",
    ),
    "suppressed": Preset(
        ("negatives.strategy=suppressed", *_SAMPLED),
        "The reverse: the more an article was exposed, the less often it is a negative.",
        "The description of fun-rec's sampler",
    ),
    "exposed": Preset(
        ("negatives.strategy=exposed", "negatives.k=5", "loss.kind=sampled_softmax", "loss.correction=false"),
        "Only what the user was shown and did not click: learns to rank a feed, and is misled about the rest of the pool.",
        "Huang et al., KDD 2020, section 2.2, on why it fails for recall",
    ),
    "funrec": Preset(
        (
            "negatives.strategy=funrec_mix",
            "negatives.k=5",
            "loss.kind=bce",
            "loss.correction=false",
            "tower.hidden=[64]",
            "index.kind=annoy",
        ),
        "fun-rec's recipe: pointwise loss on clicks, as many exposed-not-clicked, and rank-based draws; Annoy retrieval.",
        "Datawhale fun-rec, chapter on DSSM recall",
    ),
    "deepmatch": Preset(
        ("tower.kind=deepmatch", "loss.kind=in_batch_softmax", "loss.temperature=0.05", "tower.hidden=[64]"),
        "DeepMatch's own DSSM, trained by its own in-batch softmax through `model.fit`: a reference.",
        "DeepMatch 0.3.2",
    ),
    "id_cosine": Preset(
        (*_ID_COSINE, "loss.temperature=0.15"),
        "Ids alone, no layers: matrix factorization by cosine. Hard to beat on dense logs whose articles last.",
        "Kula, Metadata embeddings for user and item cold-start recommendations, 2015, without metadata",
    ),
    "id_cosine_small": Preset(
        (*_ID_COSINE, "loss.temperature=0.4"),
        "The same for a log of a few thousand clicks, where a higher temperature keeps it from overfitting.",
        "Kula, 2015, without metadata",
    ),
    "random": Preset(("model=random",), "Articles of the pool at random: what any model must beat.", "Baseline"),
    "popular": Preset(("model=popular",), "The most clicked articles of train, for everyone.", "Baseline"),
    "recent_popular": Preset(
        ("model=recent_popular",), "The most clicked articles of the last 24 hours of train, for everyone.", "Baseline"
    ),
    "item_knn": Preset(
        ("model=item_knn",),
        "Articles clicked by the same users: cosine of co-clicks, shrunk.",
        "Sarwar et al., WWW 2001",
    ),
    "ease": Preset(
        ("model=ease",),
        "A linear autoencoder over clicks in closed form, for catalogues up to 20,000.",
        "Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019",
    ),
}


def find_preset(name: str) -> Preset:
    """A preset by name; a UserError lists the known ones."""
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]
