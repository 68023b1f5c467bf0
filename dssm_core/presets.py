"""Named configs: strategy, tower, loss and knobs together, each with where it comes from."""

from dataclasses import dataclass

from dssm_core.config import FIRST_STAGE, Config, with_settings
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


_SHARED = "negatives.shared=1024"

PRESETS: dict[str, Preset] = {
    "recommended": Preset(
        (
            "negatives.strategy=in_batch",
            "loss.kind=in_batch_softmax",
            "loss.mask_known=false",
            "tower.hidden=[]",
            "tower.dim=128",
            "train.batch_size=256",
            "train.epochs=20",
            "train.l2=0.0001",
            "train.keep=last",
        ),
        "The best all-round one found: ids, attributes and title words summed on each side, in-batch, corrected. Start here.",
        "Kula, Metadata embeddings for user and item cold-start recommendations, 2015, with the loss of Yi et al., 2019",
    ),
    "in_batch": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax"),
        "Other clicks of the batch as negatives, corrected for popularity: cheap, and strong where clicks are many.",
        "Yi et al., Sampling-bias-corrected neural modeling for large corpus item recommendations, RecSys 2019",
    ),
    "in_batch_uncorrected": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax", "loss.correction=false"),
        "The same without the correction, which pushes popular articles away: to see the bias, or where novelty is wanted.",
        "Hidasi et al., Session-based recommendations with recurrent neural networks, ICLR 2016; its bias: Yi et al., 2019",
    ),
    "in_batch_streaming": Preset(
        ("negatives.strategy=in_batch_streaming", "loss.kind=in_batch_softmax"),
        "The same with the correction estimated from the stream of batches: for logs too large, or too live, to count.",
        "Yi et al., RecSys 2019, section 4",
    ),
    "mixed": Preset(
        ("negatives.strategy=mixed", "loss.kind=in_batch_softmax", "negatives.blend_share=0.5"),
        "The batch's other clicks and as many articles of the whole pool, so that articles nobody clicks are pushed away "
        "too.",
        "Yang et al., Mixed negative sampling for learning two-tower neural networks in recommendations, WWW 2020",
    ),
    "cross_batch": Preset(
        ("negatives.strategy=cross_batch", "loss.kind=in_batch_softmax", "negatives.memory=1"),
        "The last batch's articles are negatives too: twice as many as in-batch for next to no work. For small batches.",
        "Wang et al., Cross-batch negative sampling for training two-tower recommenders, SIGIR 2021",
    ),
    "in_batch_hard": Preset(
        ("negatives.strategy=in_batch_hard", "loss.kind=in_batch_softmax", "negatives.hardest=100"),
        "Only the batch's hardest negatives count: sharper at the top of the list, and easily misled by false negatives.",
        "TensorFlow Recommenders, num_hard_negatives of its retrieval task",
    ),
    "uniform": Preset(
        ("negatives.strategy=uniform", _SHARED),
        "A naive DSSM with global random negatives, one set a batch: close to what recall meets when it serves.",
        "Huang et al., Learning deep structured semantic models, CIKM 2013; Huang et al., KDD 2020, section 2.2",
    ),
    "popularity": Preset(
        ("negatives.strategy=popularity", _SHARED),
        "Popular articles oversampled as negatives, by exposure to the power 0.75: where uniform recalls too much that is popular.",
        "Mikolov et al., Distributed representations of words and phrases, NeurIPS 2013",
    ),
    "ralm": Preset(
        ("negatives.strategy=ralm", _SHARED),
        "Negatives drawn log-uniformly by popularity rank: for logs that know the order of popularity but not the counts.",
        "Liu et al., Real-time attention based look-alike model, KDD 2019",
    ),
    "suppressed": Preset(
        ("negatives.strategy=suppressed", _SHARED),
        "The reverse: the less an article was exposed, the more often it is a negative. To see what fun-rec describes.",
        "The description of fun-rec's sampler",
    ),
    "exposed": Preset(
        ("negatives.strategy=exposed", "negatives.k=5", "loss.kind=sampled_softmax", "loss.correction=false"),
        "Only what the user was shown and did not click: learns to rank a feed, and is misled about the rest of the pool.",
        "Huang et al., KDD 2020, section 2.4, on why it fails for recall",
    ),
    "same_attribute": Preset(
        ("negatives.strategy=in_batch", "negatives.blend=same_attribute", "negatives.blend_share=0.005"),
        "A few articles of the clicked one's own category beside the batch: where users must be told apart within one.",
        "Grbovic & Cheng, Real-time personalization using embeddings at Airbnb, KDD 2018 (negatives of the same market)",
    ),
    "mined": Preset(
        (
            "negatives.strategy=in_batch",
            "negatives.blend=mined",
            "negatives.blend_share=0.005",
            f"negatives.run={FIRST_STAGE}",
            "negatives.hard_share=1",
            "negatives.rank_from=51",
            "negatives.rank_to=300",
        ),
        "Two stages: train in-batch, mine what it ranks high but not at the top, and train again with a few of those.",
        "Huang et al., Embedding-based retrieval in Facebook search, KDD 2020, section 6.1.1; Fan et al., MOBIUS, KDD 2019",
    ),
    "mined_alone": Preset(
        (
            "negatives.strategy=mined",
            "negatives.k=5",
            f"negatives.run={FIRST_STAGE}",
            "negatives.hard_share=1",
            "negatives.rank_from=51",
            "negatives.rank_to=300",
        ),
        "Mined hard negatives and nothing else: it learns the fine differences and forgets the coarse ones.",
        "Huang et al., KDD 2020, section 6.1.1, on why it fails",
    ),
    "funrec": Preset(
        (
            "negatives.strategy=funrec_mix",
            "negatives.k=5",
            "loss.kind=bce",
            "loss.correction=false",
            "loss.temperature=0.05",
            "features.id_dropout=0",
            "features.title=false",
            "features.key_words=false",
            "tower.hidden=[64]",
            "index.kind=annoy",
        ),
        "fun-rec's recipe: pointwise loss on clicks, as many exposed-not-clicked, and rank-based draws; Annoy retrieval.",
        "Datawhale fun-rec, chapter on DSSM recall",
    ),
    "senet": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax", "tower.kind=senet"),
        "In-batch with a gate that weighs each side's fields: for many attributes of unequal worth, and to see which count.",
        "Huang et al., FiBiNET, RecSys 2019; the two-tower form is Weibo's",
    ),
    "youtube": Preset(
        ("negatives.strategy=in_batch", "loss.kind=in_batch_softmax", "tower.kind=youtube"),
        "In-batch with the user's last clicks in the user tower: where interests change faster than an id can follow.",
        "Covington et al., Deep neural networks for YouTube recommendations, RecSys 2016",
    ),
    "deepmatch": Preset(
        ("tower.kind=deepmatch", "loss.kind=in_batch_softmax", "loss.temperature=0.05", "tower.hidden=[64]"),
        "DeepMatch's own DSSM, trained by its own in-batch softmax through `model.fit`: a reference.",
        "DeepMatch 0.3.2",
    ),
    "id_cosine": Preset(
        (
            "negatives.strategy=uniform",
            "negatives.shared=512",
            "features.user_attributes=[]",
            "features.article_attributes=[]",
            "features.title=false",
            "features.key_words=false",
            "features.id_dropout=0",
            "tower.hidden=[]",
            "tower.dim=128",
            "train.batch_size=256",
            "train.epochs=24",
            "train.keep=last",
        ),
        "Ids alone, no layers: matrix factorization by cosine. Hard to beat on dense logs whose articles last.",
        "Kula, Metadata embeddings for user and item cold-start recommendations, 2015, without metadata",
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
