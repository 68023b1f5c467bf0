"""Reads articles' key words: `^word:weight,word:weight`, or a plain list of words."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dssm_core.dataset import UNKNOWN

MAX_KEY_WORDS = 10
"""How many of an article's key words are kept, by weight."""

_MARK = "\x1f"
_NOT_IN_WORDS = rf"^\s*\^|{_MARK}"
# a weight stands before a comma or the end: what else a word has of `,` and `:` is its own, as in `10,000元` and `3:0`
_WEIGHT = r":\s*(-?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(?:,|$)"
_WEIGHTED = rf"(?s)^\s*\^.*{_WEIGHT}|^(?:[^,]*{_WEIGHT})+$"
_SEPARATOR = r"(?:[,|;/，；、]|$)"


def parse_key_words(texts: pa.StringArray) -> tuple[np.ndarray, pa.StringArray, np.ndarray]:
    """The key words of all texts: which text each is of, (m,) int64 ascending; the words; their weights, (m,) float32.

    A text's words stand heaviest first; the first `MAX_KEY_WORDS` are kept, and their weights sum to 1. A text that
    neither starts with `^` nor has a weight in each of its parts is a plain list, split at `,` `|` `;` `/` or their
    Chinese forms, of words of the same weight. Left out are words without a weight among weighted ones, words of weight
    0 or less, empty ones and "unknown".
    """
    rows, words, weights = _entries(texts)
    nothing = pc.is_in(words, pa.array(["", UNKNOWN])).to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero((weights > 0) & np.isfinite(weights) & ~nothing)
    chosen = chosen[np.lexsort((-weights[chosen], rows[chosen]))]
    counts = np.bincount(rows[chosen], minlength=len(texts))
    places = np.arange(len(chosen)) - (np.cumsum(counts) - counts)[rows[chosen]]
    chosen = chosen[places < MAX_KEY_WORDS]
    rows, weights = rows[chosen], weights[chosen]
    totals = np.bincount(rows, weights=weights, minlength=len(texts))
    return rows, words.take(pa.array(chosen)), (weights / totals[rows]).astype(np.float32)


def _entries(texts: pa.StringArray) -> tuple[np.ndarray, pa.StringArray, np.ndarray]:
    """All words in their order, with the text that each is of and its weight, (entries,) float64."""
    weighted = pc.match_substring_regex(texts, _WEIGHTED)
    texts = pc.replace_substring_regex(texts, _NOT_IN_WORDS, "")
    plain = pc.replace_substring_regex(pc.if_else(weighted, "", texts), _SEPARATOR, f"{_MARK}1{_MARK}")
    marked = pc.replace_substring_regex(pc.if_else(weighted, texts, ""), _WEIGHT, rf"{_MARK}\1{_MARK}")
    # what stands behind the last mark has no weight
    marked = pc.binary_join_element_wise(pc.if_else(weighted, marked, plain), "0", _MARK)
    lists = pc.split_pattern(marked, _MARK)
    parts, rows = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()[::2]
    words = pc.utf8_trim_whitespace(parts.take(pa.array(np.arange(0, len(parts), 2))))
    return rows, words, parts.take(pa.array(np.arange(1, len(parts), 2))).cast(pa.float64()).to_numpy()
