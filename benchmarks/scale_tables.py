"""The tables of docs/scale.md, from what benchmarks.cost_model measured, fitted and foretold."""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmarks.billion import (
    CORES,
    MEMORY,
    NIGHT,
    USABLE,
    Job,
    Stage,
    half_width,
    hours,
    machines,
    parallel_share,
)
from benchmarks.cost_points import CODE_BYTES
from benchmarks.costs import INDEX_STAGES, STAGES, error
from dssm_core.free_memory import in_words

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
SAMPLES = (1_000, 10_000, 100_000, 1_000_000)
_NAMES = {
    "libraries": "TensorFlow, tables",
    "features": "features",
    "train": "training, 3 epochs with validation",
    "embed": "embedding",
    "index": "exact index",
    "evaluate": "evaluation, 10,000 users at most, exact",
}
"""What a stage is called in the tables, where not by its own word."""


def write_tables(result: dict, page: Path = PAGE) -> None:
    """Put the tables between their marks on the page."""
    page.write_text(with_tables(page.read_text(encoding="utf-8"), result), encoding="utf-8")


def with_tables(text: str, result: dict) -> str:
    """The page with every table as it is now. A ValueError where it has no place for one."""
    for name, table in tables(result).items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not block.search(text):
            raise ValueError(f"docs/scale.md has no place for the table {name!r}: <!-- {name} --> and <!-- /{name} -->")
        text = block.sub(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", text)
    return text


def tables(result: dict) -> dict[str, str]:
    """Each table by the name of its marks."""
    job = Job(result)
    return {
        "summary": summary(job),
        "measured on": result["measured"]["machine"],
        "assumed": assumed(),
        "constants": constants(result),
        "errors": errors(result),
        "memory": memory(result, job),
        "operations": operations(result, job),
        "billion": billion_table(result, job),
        "parts": parts(job),
        "instead": instead(result, job),
        "indexes": indexes(job),
        "tallies": tallies(job),
        "samples": samples(result, job),
        "servers": servers(result),
    }


def constants(result: dict) -> str:
    """What each stage costs, and how much of it all cores share."""
    model, large = result["model"], result["measured"]["large"]["stages"]
    rows = [
        (
            _name(stage),
            _costs(model["cpu"][stage]),
            _percent(parallel_share(large[stage], result["measured"]["cores"])) if large[stage]["cpu"] > 0.05 else "",
        )
        for stage in STAGES
        if any(model["cpu"][stage].values())
    ]
    rows += [(stage, _costs(model["index"][stage]), "") for stage in INDEX_STAGES]
    return _table(("stage", "processor seconds", "parallel share"), rows)


def errors(result: dict) -> str:
    """Foretold beside measured."""
    rows = [
        (_name(stage), *(_pair(units[unit]) for unit in ("seconds", "cpu")))
        for stage, units in result["compared"]["stages"].items()
        if units["cpu"]["measured"] >= 0.05 or stage == "ease"
    ]
    rows += [(stage, "", _pair(pair)) for stage, pair in result["compared"]["indexes"].items()]
    if longer := result["compared"].get("long ingest"):
        rows.append((f"ingest of {longer['rows']:,} rows", *(_pair(longer[unit]) for unit in ("seconds", "cpu"))))
    return _table(("stage", "seconds: foretold, measured, error", "processor seconds: foretold, measured, error"), rows)


def memory(result: dict, job: Job) -> str:
    """The most memory of the two processes, by the fit and by the lab's own estimate."""
    held = result["compared"]["memory"]
    estimates = {"ingest": "", "run": in_words(job.estimate_at_full_scale())}
    rows = [
        (process, in_words(1e6 * pair["foretold"]), in_words(1e6 * pair["measured"]), _off(pair), estimates[process])
        for process, pair in held.items()
    ]
    if longer := result["compared"].get("long ingest"):
        told = [in_words(1e6 * longer["mb"][kind]) for kind in ("foretold", "measured")]
        rows.append((f"ingest of {longer['rows']:,} rows", *told, _off(longer["mb"]), ""))
    return _table(("process", "foretold", "measured", "error", "estimate before the start"), rows)


def operations(result: dict, job: Job) -> str:
    """What is counted, in bytes and operations, and the rate at which this machine does it."""
    index, cpu = result["model"]["index"], result["model"]["cpu"]
    pair, positive = index["exact search"]["query × article"], cpu["train"]["positive"]
    dim = job.config.tower.dim
    rows = [
        ("a row in memory", f"{job.held['row']:.0f} bytes", ""),
        ("a user in memory", f"{job.held['user']:.0f} bytes", ""),
        ("an article in memory", f"{job.held['article']:.0f} bytes", ""),
        ("a row of an embedding table, with its accumulator", f"{job.table_row_bytes} bytes", ""),
        ("a vector", f"{4 * dim} bytes", ""),
        (
            "a positive's step",
            f"{job.operations_of_positive:,} operations",
            _rate(job.operations_of_positive, positive),
        ),
        ("a user × an article", f"{2 * dim} operations", _rate(2 * dim, pair)),
    ]
    return _table(("what", "takes", "done at"), rows)


def billion_table(result: dict, job: Job) -> str:
    """Every stage at the size asked for, by the code as it is."""
    rows = [
        (
            stage.name,
            _hours(stage.cpu / 3600),
            _hours(hours(stage.cpu, stage.share)),
            in_words(stage.held),
            _machines(stage),
            stage.breaks,
        )
        for stage in job.stages()
    ]
    columns = (
        "stage",
        "hours of one core",
        f"hours of {CORES} cores",
        "memory of one process",
        f"machines, to fit and be done in {NIGHT:.0f} hours",
        "what breaks first",
    )
    return _table(columns, rows)


def parts(job: Job) -> str:
    """What the run's process would hold, by the lab's own estimate."""
    need = job.need
    held = [(part.what, in_words(part.bytes)) for part in sorted(need.parts, key=lambda part: -part.bytes)]
    return _table(("part", "memory"), [*held[:6], ("in all", in_words(need.bytes))])


def instead(result: dict, job: Job) -> str:
    """What replaces what breaks."""
    rows = [
        (
            design.what,
            design.by,
            in_words(design.held),
            _hours(design.hours),
            f"{machines(design.hours, design.held):,}",
        )
        for design in job.replacements()
    ]
    return _table(("instead of", "take", "memory", f"hours of {CORES} cores", "machines"), rows)


def indexes(job: Job) -> str:
    """Bytes of a vector, and how much of the exact lists is found."""
    dim = job.config.tower.dim
    sizes = {"ivf": 4 * dim + 8, "ivf-pq": CODE_BYTES + 8, "ivf-pq, in order by the whole vectors": CODE_BYTES + 8}
    shares = job.shares_of_exact()
    rows = [(kind, f"{sizes[kind]} bytes", f"{100 * share:.1f} %") for kind, share in shares.items()]
    return _table(("index", "a vector and its id in memory", "share of the exact top 200"), rows)


def tallies(job: Job) -> str:
    """Counts that can be kept while rows stream by."""
    rows = [(what, in_words(held), wrong) for what, held, wrong in job.tallies()]
    return _table(("what", "memory", "how wrong"), rows)


def samples(result: dict, job: Job) -> str:
    """What an evaluation of some of the users tells, and takes."""
    recall = result["measured"]["large"]["recall"]
    rows = [
        (
            f"{users:,}",
            f"± {100 * half_width(recall['deviation'], users):.2f} points",
            _hours(hours(job.evaluation_cpu(users), job.share("evaluate"))),
        )
        for users in SAMPLES
    ]
    mean = 100 * recall["mean"]
    return _table(("users", f"95 % interval of recall@50, which is {mean:.1f} % here", f"hours of {CORES} cores"), rows)


def servers(result: dict) -> str:
    """The small experiment."""
    told = result["measured"]["sharded tables"]
    rows = [
        ("losses apart, ten steps, at most", f"{told['losses_apart']:.1e}"),
        ("any number of any row apart, ten steps, at most", f"{told['rows_apart']:.1e}"),
        (f"the same after {told['steps']} steps", f"{told['rows_apart_after_all']:.1e}"),
        ("the one-process step from itself, first values one bit apart", f"{told['control_apart_after_all']:.1e}"),
        ("one process", f"{told['one_process_per_second']:,} positives/s, {told['one_process_ms_a_step']} ms a step"),
        ("two servers", f"{told['sharded_per_second']:,} positives/s, {told['sharded_ms_a_step']} ms a step"),
        ("ratio", f"{told['ratio']:.2f}"),
        ("a round trip for one row", f"{told['round_trip_ms']} ms"),
        ("processor time of both servers", f"{told['servers_cpu_ms_a_step']} ms a step"),
        ("rows and gradients", f"{told['bytes_a_step']:,} bytes a step"),
        ("sent over 127.0.0.1", f"{told['loopback_bytes_a_step']:,} bytes a step"),
    ]
    return _table(("what", "measured"), rows)


def summary(job: Job) -> str:
    """The answer in two sentences."""
    stages = [stage for stage in job.stages() if not stage.name.startswith("lists")]
    whole = sum(hours(stage.cpu, stage.share) for stage in stages)
    lists = {stage.name: hours(stage.cpu, stage.share) for stage in job.stages() if stage.name.startswith("lists")}
    exact, ivf = lists.values()
    largest = max(stages, key=lambda stage: stage.held)
    return (
        f"At 1 billion rows, 100 million articles and 500 million users the job as it is would take {_hours(whole)} "
        f"hours of {CORES} cores, and {in_words(largest.held)} in one process ({largest.name}), so that a machine of "
        f"{in_words(MEMORY)} refuses it. Exact lists for every user would take {_hours(exact)} such hours, "
        f"by IVF {_hours(ivf)}."
    )


def assumed() -> str:
    """The machine, and when a stage takes several."""
    return (
        f"A machine has {CORES} cores and {in_words(MEMORY)}, of which a stage may take {_percent(USABLE)}. A stage "
        "that can be cut into parts (rows, users or articles) takes as many machines as it needs to fit and to be done "
        f"in {NIGHT:.0f} hours; one that cannot must fit on one."
    )


def _machines(stage: Stage) -> str:
    count = machines(hours(stage.cpu, stage.share), stage.held)
    if stage.divides:
        return f"{count:,}"
    return "1" if stage.held <= USABLE * MEMORY else "does not fit, and cannot be cut"


def _name(stage: str) -> str:
    return _NAMES.get(stage, stage)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---", *("---:" for _ in columns[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("  |", " |") for line in lines)


def _costs(costs: dict[str, float]) -> str:
    told = [_cost(seconds) + ("" if term == "job" else f" {_each(term)}") for term, seconds in costs.items() if seconds]
    return " + ".join(told)


def _each(term: str) -> str:
    return f"{'an' if term[0] in 'aeio' else 'a'} {term}"


def _cost(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-12:.3g} ps"


def _pair(pair: dict[str, float]) -> str:
    return f"{pair['foretold']:.2f}, {pair['measured']:.2f}, {_off(pair)}"


def _off(pair: dict[str, float]) -> str:
    return f"{100 * error(pair):+.0f} %" if pair["measured"] > 1e-2 else "left out"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rate(operations_: float, seconds: float) -> str:
    return f"{operations_ / seconds / 1e9:.1f} billion a second and core" if seconds else ""


def _hours(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}" if number >= 0.1 else f"{60 * number:.1f} min"
