"""Hashes titles' n-grams to rows of a table: the word hashing of DSSM (Huang et al., 2013), and its like in Chinese."""

import functools
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_NGRAMS = 64
"""How many n-grams of a title are kept, from its start; the rest are left out."""

_TITLES_AT_ONCE = 1 << 15
_CODE_POINTS = 0x110000
_CODE_POINT_BITS = 21
_BOUNDARY = ord("#")
_TITLE_END = "\n"
_NEITHER, _LETTER, _CJK = 0, 1, 2
_CJK_RANGES = (
    (0x1100, 0x11FF),  # hangul
    (0x3005, 0x3007),  # 々〆〇
    (0x3040, 0x31FF),  # kana, bopomofo, hangul
    (0x3400, 0x9FFF),
    (0xA960, 0xA97F),  # hangul
    (0xAC00, 0xD7FF),  # hangul
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def title_ngrams(titles: pa.StringArray, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Buckets (n, width) int32 in 0..buckets-1 of the titles' n-grams, and their weights (n, width) float32.

    Titles are normalized (NFKC, case folded). A word of letters and digits gives its letter trigrams, boundaries
    marked: `good` → #go goo ood od#. Chinese, Japanese and Korean, written without or with few spaces, give single
    characters and pairs: `足球` → 足 足球 球. N-grams stand in the order of the title; the first `MAX_NGRAMS` are kept.
    A title's weights are 1 / its number of n-grams, so that it is their mean; those of a title without any are 0.
    The width is the largest number of n-grams, at least 1. Buckets are the same on every machine.
    """
    starts = range(0, len(titles), _TITLES_AT_ONCE)
    parts = [_hashed(titles.slice(start, _TITLES_AT_ONCE), buckets) for start in starts]
    hashed = np.concatenate([np.zeros(0, np.int32), *(part for part, _ in parts)])
    counts = np.concatenate([np.zeros(0, np.int64), *(part for _, part in parts)])
    taken = np.arange(max(1, counts.max(initial=0)))[None] < counts[:, None]
    slots = np.zeros(taken.shape, np.int32)
    slots[taken] = hashed
    return slots, taken / np.maximum(counts, 1).astype(np.float32)[:, None]


def _hashed(titles: pa.StringArray, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Buckets of the n-grams that are kept, title after title: (Σ counts,) int32; how many each has: (n,) int64."""
    codes = _code_points(titles)
    keys, places = _ngrams(codes)
    title_of = np.cumsum(codes == ord(_TITLE_END))[places]
    counts = np.bincount(title_of, minlength=len(titles))
    kept = np.arange(len(keys)) - (np.cumsum(counts) - counts)[title_of] < MAX_NGRAMS
    return (_mixed(keys[kept]) % np.uint64(buckets)).astype(np.int32), np.minimum(counts, MAX_NGRAMS)


def _code_points(titles: pa.StringArray) -> np.ndarray:
    """The code points of all normalized titles, an end mark behind each: (characters,) uint64."""
    lines = pc.utf8_normalize(pc.replace_substring(titles, _TITLE_END, " "), "NFKC")
    text = _TITLE_END.join([*lines.to_pylist(), ""]).casefold()
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)


def _ngrams(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every n-gram as one number of its code points, uint64, and the place of the character that it is made for.

    A letter makes the trigram around it. A CJK character makes itself and, before another, the pair.
    """
    kinds = _kinds(codes)
    letter, cjk = kinds == _LETTER, kinds == _CJK
    # the text ends with an end mark, which is neither: what is rolled in from the other end makes no n-gram
    letters = np.where(letter, codes, np.uint64(_BOUNDARY))
    trigrams = _joined(np.roll(letters, 1), codes, np.roll(letters, -1))
    pairs = _joined(codes, np.roll(codes, -1))
    made = np.stack([letter | cjk, cjk & np.roll(cjk, -1)], axis=1)
    keys = np.stack([np.where(letter, trigrams, codes), pairs], axis=1)
    return keys[made], np.nonzero(made)[0]


def _kinds(codes: np.ndarray) -> np.ndarray:
    """What each character is: (characters,) uint8. Each distinct one is looked up once."""
    kinds = np.zeros(_CODE_POINTS, np.uint8)
    kinds[codes] = 1
    for code in np.flatnonzero(kinds).tolist():
        kinds[code] = _kind(code)
    return kinds[codes]


@functools.cache
def _kind(code: int) -> int:
    character = chr(code)
    # marks too: Indic vowels are written as such. But those that pick a glyph's variant say nothing
    category = unicodedata.category(character)
    in_word = category[0] in "LN" or category in ("Mn", "Mc")
    if not in_word or "VARIATION SELECTOR" in unicodedata.name(character, ""):
        return _NEITHER
    return _CJK if any(first <= code <= last for first, last in _CJK_RANGES) else _LETTER


def _joined(*codes: np.ndarray) -> np.ndarray:
    joined = codes[0]
    for following in codes[1:]:
        joined = joined << np.uint64(_CODE_POINT_BITS) | following
    return joined


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Numbers (n,) uint64 as good as random: SplitMix64's finalizer (Steele et al., 2014)."""
    keys = (keys ^ keys >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ keys >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return keys ^ keys >> np.uint64(31)
