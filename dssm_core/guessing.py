"""Guesses which column of a file is which of ours, from its name and its first values. A person may change each."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from dssm_core.cleaning import SPLITS, ClickRule, is_missing, to_clicks, to_integers, to_numbers
from dssm_core.errors import UserError
from dssm_core.times import to_times, told_unit

_USER = (
    "userid user uid userno usernum useridx reader readerid visitor visitorid viewer viewerid member memberid customer "
    "customerid client clientid account accountid person personid reviewerid subscriberid profileid msno uuid "
    "fullvisitorid cookie cookieid deviceid sessionid 用户id 用户 用户编号 用户标识 读者id"
)
_ARTICLE = (
    "articleid article aid item itemid iid news newsid nid doc docid document documentid story storyid post postid "
    "content contentid clickarticleid page pageid movie movieid mid video videoid vid product productid asin book "
    "bookid isbn track trackid song songid artist artistid business businessid gameid recipeid url "
    "文章id 文章 新闻id 新闻 新闻编号 文章编号 物品id 商品id 内容id"
)
_SYNONYMS: dict[str, dict[str, str]] = {
    "exposures": {
        "user_id": _USER,
        "article_id": _ARTICLE,
        "expo_time": "expotime exposuretime exposedat impressiontime impressiontimestamp showtime clicktimestamp "
        "clicktime eventtime eventtimestamp eventts timestamp timestampms ts timems unixtime unixreviewtime time "
        "datetime date eventdate createdat servertime requesttime logtime viewedat "
        "曝光时间 展示时间 点击时间 时间戳 时间",
        "click": "click clicked isclick isclicked clicks wasclicked clickflag clicklabel label target islabel "
        "点击 是否点击",
        "net_status": "netstatus network networktype nettype networkstatus connection connectiontype 网络环境 网络状态",
        "flush_nums": "flushnums flushnum refreshes refreshcount refreshnum 刷新次数",
        "expo_position": "expoposition position pos rank slot displayposition 曝光位置 展示位置 位置",
        "duration": "duration dwell dwelltime readtime readingtime staytime timespent playtime playduration playtimems "
        "watchtime durationms 消费时长 阅读时长 停留时长",
        "split": "split set fold subset part",
        "history": "history ishistory",
    },
    "users": {
        "user_id": f"{_USER} id",
        "device": "device devicename devicetype devicemodel clickdevicegroup 设备 设备名称 设备类型",
        "os": "os osname operatingsystem platform clickos 操作系统 系统",
        "province": "province state region clickregion 省份 省 所在省",
        "city": "city town 城市 市 所在市",
        "age": "age agegroup agerange agebucket 年龄 年龄段",
        "gender": "gender sex 性别",
    },
    "articles": {
        "article_id": f"{_ARTICLE} id",
        "title": "title headline articletitle newstitle movietitle booktitle itemname productname name subject "
        "标题 文章标题 新闻标题 名称",
        "ctime": "ctime createtime createdat createdatts creationtime created publishedtime publishtime publishedat "
        "publishedon published publishdate publicationdate pubdate pubtime releasedate uploadtime uploaddt timestamp "
        "date 发文时间 发布时间 创建时间",
        "img_num": "imgnum imgnums imagecount numimages nimages totalimageids 图片数量 图片数",
        "cate": "cate category cat categoryid categorystr categoryname genre genres topic channel section "
        "一级分类 一级类目 分类 类别 类目 频道",
        "sub_cate": "subcate subcategory subcat subcategoryid subgenre subtopic 二级分类 二级类目 子类别",
        "key_words": "keywords keyword tags tag 关键词 标签",
    },
}
"""Names of each canonical column in the logs of others, likeliest first, as `_plain` writes them."""

_RATINGS = "rating ratings stars star score overall bookrating reviewscore reviewrating grade userrating 评分"
_THRESHOLDS = ((1, None), (5, 4), (10, 8), (100, 80))
"""The highest rating of a scale → from which on a rating is taken for a click."""
_EVENTS = "event eventtype eventname action actiontype behavior behaviour behaviortype interaction interactiontype type"
_CLICK_EVENTS = ("click", "Click", "CLICK", "clicked", "点击")

_EARLIEST = 631_152_000_000  # 1990-01-01 in milliseconds: small numbers are seconds of 1970, and no log's times


def guess_columns(table: str, columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The file's column for each canonical column of a `table` that one fits; those that none fits are left out.

    `columns`: the first values of every column of the file, as texts; without any, names alone decide. No column is
    taken twice. In a log, times and clicks under a strange name are known by their values, where only one column has
    such values.
    """
    by_name: dict[str, str] = {}
    for name in columns:
        by_name.setdefault(_plain(name), name)
    guesses: dict[str, str] = {}
    for canonical, synonyms in _SYNONYMS[table].items():
        named = (by_name[word] for word in synonyms.split() if word in by_name)
        free = (name for name in named if name not in guesses.values() and _fits(canonical, columns[name]))
        if (name := next(free, None)) is not None:
            guesses[canonical] = name
    return guesses | _by_values(guesses, columns) if table == "exposures" else guesses


def suggest_rule(columns: Mapping[str, Sequence[str]]) -> str | None:
    """A click rule for a log without clicks but with ratings (`rating>=4`) or events (`event==click`); None without."""
    by_name = {_plain(name): name for name in reversed(columns)}
    rated = (_rating_rule(by_name[word], columns) for word in _RATINGS.split() if word in by_name)
    happened = (_event_rule(by_name[word], columns) for word in _EVENTS.split() if word in by_name)
    rules = (rule for rule in (*rated, *happened) if rule and _is_readable(rule))
    return next(rules, None)


def _plain(name: str) -> str:
    """A name without case, signs, a table in front (`log.user_id`, as Hive writes) and a type (`user_id:token`)."""
    bare = name.strip().split(":")[0].rsplit(".", 1)[-1]
    return re.sub(r"[\W_]", "", bare.lower())


def _fits(canonical: str, values: Sequence[str]) -> bool:
    """Whether the first values of a column may stand in a canonical one; an empty column fits anywhere."""
    given = _given(values)
    if canonical in ("expo_time", "ctime"):
        return not len(given) or _are_times(given)
    if canonical in ("click", "history"):
        return bool(to_clicks(given)[1].all())
    if canonical == "split":
        return set(given.to_pylist()) <= set(SPLITS)
    if canonical in ("expo_position", "flush_nums", "net_status", "duration"):
        return bool(to_integers(given)[1].mean() > 0.5) if len(given) else True
    return True


def _by_values(guesses: Mapping[str, str], columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The time and the click of a log by their values, where names said nothing and only one column has such values.

    A time when an article was made is never guessed so: a time of its last change would set exposures aside.
    """
    free = {name: _given(values) for name, values in columns.items() if name not in guesses.values()}
    candidates = {
        "expo_time": [name for name, values in free.items() if len(values) and _are_times(values)],
        "click": [name for name, values in free.items() if _are_clicks(values)],
    }
    return {
        canonical: names[0] for canonical, names in candidates.items() if canonical not in guesses and len(names) == 1
    }


def _given(values: Sequence[str]) -> pa.Array:
    texts = pa.array(values, pa.string())
    return texts.filter(pa.array(~is_missing(texts)))


def _are_times(values: pa.Array) -> bool:
    times, ok = to_times(values, told_unit([values]), "UTC")
    return bool((ok & (times >= _EARLIEST)).mean() >= 0.9)


def _are_clicks(values: pa.Array) -> bool:
    """Whether all values say clicked or not, and both are there."""
    clicked, known = to_clicks(values)
    return bool(known.all() and clicked.any() and not clicked.all())


def _rating_rule(name: str, columns: Mapping[str, Sequence[str]]) -> str | None:
    ratings = to_numbers(_given(columns[name]))
    if not len(ratings) or np.isnan(ratings).any() or ratings.max() <= 0:
        return None
    threshold = next((least for highest, least in _THRESHOLDS if ratings.max() <= highest), None)
    return f"{name}>={threshold}" if threshold else None


def _event_rule(name: str, columns: Mapping[str, Sequence[str]]) -> str | None:
    events = set(_given(columns[name]).to_pylist())
    click = next((event for event in _CLICK_EVENTS if event in events), None)
    return f"{name}=={click}" if click and len(events) > 1 else None


def _is_readable(rule: str) -> bool:
    """Whether the rule can be written with this column: its name may hold a sign of the rule's own."""
    try:
        return len(ClickRule.parse(rule).comparisons) == 1
    except UserError:
        return False
