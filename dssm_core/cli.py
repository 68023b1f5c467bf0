"""The command line: everything that the pages do. See `python -m dssm_core --help`."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dssm_core.config import Config, flatten, unflatten, with_settings
from dssm_core.dataset import Dataset
from dssm_core.errors import UserError
from dssm_core.notes import read_notes, write_notes
from dssm_core.presets import PRESETS, find_preset
from dssm_core.runs import ACTIVE, Run, cancel_run, list_runs, open_run, resume_run, start_run
from dssm_core.stored_files import as_label
from dssm_core.trash import KEPT_DAYS
from dssm_core.workspace import Workspace, load_dataset

_POLL_SECONDS = 0.2
_ENDS = (signal.SIGTERM, signal.SIGHUP)
_BAR = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}"
_FEW_USERS = 30


def main(arguments: list[str]) -> int:
    """Carry out one command. Exit 0 on success, 2 for a mistake of its user, told in one sentence on stderr."""
    options = parser().parse_args(arguments)
    try:
        result = options.command(Workspace(options.home), options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    try:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False) if options.json else options.human(result))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """What reads a command line: `parser().parse_args(arguments)` has the options, and in `command` what does it."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", metavar="DIR", help="the workspace, or its URL; default $DSSM_HOME, else ./workspace")
    common.add_argument("--json", action="store_true", help="print exactly one JSON object")
    reads = argparse.ArgumentParser(prog="python -m dssm_core", description="A recall lab for news recommendation.")
    commands = reads.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable, human: Callable[[dict], str], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common])
        added.set_defaults(command=command, human=human)
        return added

    _add_data_commands(add)
    _add_train_commands(add)
    _add_result_commands(add)
    return reads


def _add_data_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    demo = add("demo", _demo, _human_pairs, "write a synthetic news log, and ingest it unless --out is given")
    for name, default in (("users", 2000), ("articles", 2000), ("days", 7), ("seed", 0)):
        demo.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default {default}")
    demo.add_argument("--out", metavar="DIR", type=Path, help="write the three files and truth.json here")

    ingest = add("ingest", _ingest, _human_ingest, "read exposure logs into a dataset")
    ingest.add_argument("--format", required=True, help="yidian, generic, mind, ebnerd or movielens")
    ingest.add_argument(
        "--exposures",
        required=True,
        type=Path,
        metavar="FILE",
        help="the log, or a folder or a pattern of its parts ('part-*.csv'); of a public data set also its folder",
    )
    for table in ("users", "articles", "test-exposures"):
        ingest.add_argument(f"--{table}", type=Path, metavar="FILE")
    ingest.add_argument(
        "--map", nargs="+", default=[], action="extend", metavar="canonical=column", help="columns under other names"
    )
    ingest.add_argument("--history", type=Path, metavar="FILE", help="clicks from before the log (ebnerd)")
    ingest.add_argument("--click", metavar="RULE", help="which rows are clicks, such as 'rating>=4'")
    ingest.add_argument("--timezone", metavar="TZ", help="where days begin, such as Asia/Shanghai")
    ingest.add_argument("--encoding", help="of the text files, such as gb18030; told by looking unless given")
    ingest.add_argument("--separator", help="of the columns, such as ';' or '\\t'; told by looking unless given")
    ingest.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row names the columns; told by looking unless given",
    )
    _add_engine(ingest)
    ingest.add_argument("--name", default="", type=as_label, help="a label")
    add("datasets", _datasets, _human_datasets, "list datasets")
    text = "copy a dataset or a finished run to the URL of the workspace, where that could not be reached"
    add("publish", _publish, _human_pairs, text).add_argument("id")
    text = f"delete a dataset, run or sweep; `restore` brings it back for {KEPT_DAYS} days, and with --for-good nothing"
    delete = add("delete", _delete, _human_pairs, text)
    delete.add_argument("id")
    delete.add_argument(
        "--for-good", action="store_true", help="remove it from the disk at once, deleted before or not"
    )
    text = "bring back what was deleted; without ID list what can be"
    add("restore", _restore, _human_restored, text).add_argument("id", nargs="?", metavar="ID")


def _add_train_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    add("presets", _presets, _human_presets, "list presets with their keys")
    train = add("train", _train, _human_metrics, "train a model, or compute a baseline, and evaluate it")
    train.add_argument("--dataset", required=True, metavar="ID")
    train.add_argument("--preset", default="", metavar="P", help="start from this preset; see `presets`")
    train.add_argument("--config", type=Path, metavar="FILE", help="a JSON object of dotted keys")
    train.add_argument("--set", nargs="+", default=[], metavar="key=value", action="extend")
    train.add_argument("--seed", type=int)
    train.add_argument("--name", default="", type=as_label, help="a label")
    train.add_argument("--detach", action="store_true", help="return at once; the run goes on by itself")
    sweep = add("sweep", _sweep, _human_sweep, "train presets × seeds on one split with the same budget")
    sweep.add_argument("--dataset", required=True, metavar="ID")
    sweep.add_argument("--presets", required=True, metavar="A,B,…", help="see `presets`")
    sweep.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each preset; default 3")
    sweep.add_argument("--set", nargs="+", default=[], metavar="key=value", action="extend", help="for all runs")
    sweep.add_argument("--positives", type=int, metavar="N", help="clicks each run sees; default 16 × the train clicks")
    sweep.add_argument("--jobs", type=int, metavar="N", help="runs at work at once; default 1, on Ray all that fit")
    _add_engine(sweep)
    sweep.add_argument("--cpus", type=int, metavar="N", help="of the cluster that each run takes; default 1")
    sweep.add_argument("--gpus", type=int, metavar="N", help="of the cluster that each run takes; default 0")
    sweep.add_argument("--name", default="", type=as_label, help="a label")
    sweep.add_argument("--detach", action="store_true", help="return at once; the sweep goes on by itself")
    add("runs", _runs, _human_runs, "list runs")
    note = add("note", _note, _human_pairs, "write a text and tags to a run, or show them")
    note.add_argument("run")
    note.add_argument("--text", type=as_label, metavar="T", help="in place of the old one; '' takes it away")
    note.add_argument(
        "--tag", nargs="*", action="extend", type=as_label, metavar="T", help="in place of the old ones; none: no tags"
    )
    add("sweeps", _sweeps, _human_sweeps, "list sweeps")
    add("cancel", _cancel, _human_pairs, "stop a queued or running run, or a sweep").add_argument("run")
    text = "go on with a run, or a sweep, that was interrupted, failed or was cancelled"
    resume = add("resume", _resume, _human_resumed, text)
    resume.add_argument("run")
    resume.add_argument("--detach", action="store_true", help="return at once; it goes on by itself")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    """The options of a command that Ray can carry out."""
    parser.add_argument("--engine", default="local", help="local (this machine, the default) or ray")
    text = "of a Ray cluster: auto or HOST:PORT; without it one is started on this machine and stopped again"
    parser.add_argument("--address", metavar="ADDRESS", help=text)


def _add_result_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    evaluate = add("evaluate", _evaluate, _human_metrics, "measure a finished run again, without training")
    evaluate.add_argument("run")
    evaluate.add_argument("-k", metavar="10,50,200", help="lengths of the recall list")
    evaluate.add_argument("--index", metavar="NAME", help="exact, annoy or ivf")
    evaluate.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", action="extend", help="such as index.probes=8"
    )
    _add_engine(evaluate)
    evaluate.add_argument("--keep", action="store_true", help="keep it as a run of its own, to compare with")
    evaluate.add_argument("--name", default="", type=as_label, help="a label of the run that is kept")

    loss = add("index-loss", _index_loss, _human_index_loss, "recall lost and speed won by approximate indexes")
    loss.add_argument("run")
    loss.add_argument("-k", type=int, default=50)

    recall = add("recall", _recall, _human_recall, "one user's recall list and held-out clicks, or everybody's lists")
    recall.add_argument("run")
    whose = recall.add_mutually_exclusive_group(required=True)
    whose.add_argument("--user", metavar="ID")
    whose.add_argument("--everybody", action="store_true", help="the lists of all users, into a Parquet file")
    recall.add_argument("-k", type=int, default=20)
    recall.add_argument("--to", type=Path, metavar="FILE", help="of --everybody; default recall-RUN.parquet")
    _add_engine(recall)

    compare = add("compare", _compare, _human_compare, "compare runs with the first of them, user by user")
    compare.add_argument("runs", nargs="+", metavar="RUN")
    compare.add_argument(
        "--narrow", action="store_true", help="keep the users, clicks and candidate pools that unlike runs share"
    )

    text = "a run's vectors, index and recall lists, or a dataset's tables, with raw ids"
    export = add("export", _export, _human_pairs, text)
    export.add_argument("run", metavar="ID", help="of a run or a dataset")
    export.add_argument("--to", required=True, type=Path, metavar="DIR")
    text = "of a run parquet or funrec, without it everything; of a dataset parquet (default) or csv"
    export.add_argument("--format", default="", help=text)

    text = "all that is needed to carry out a finished or failed run again, as one zip"
    bundle = add("bundle", _bundle, _human_pairs, text)
    bundle.add_argument("run")
    bundle.add_argument("--to", required=True, type=Path, metavar="FILE.zip")


def _demo(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.demo import ingest_demo, write_demo

    size = (options.users, options.articles, options.days, options.seed)
    with _stoppable():
        if options.out:
            truth = write_demo(options.out, *size)
            return {"folder": str(options.out), "exposures": truth["exposures"]["rows_in"]}
        return ingest_demo(workspace, *size)


@contextmanager
def _stoppable() -> Iterator[None]:
    """While the body runs, SIGTERM and SIGHUP end it as an exception does: what it has begun is removed.

    One that is ignored, as SIGHUP is under nohup, stays so.
    """
    heeded = [number for number in _ENDS if signal.getsignal(number) != signal.SIG_IGN]

    def end(number: int, frame: object) -> None:
        for asked in _ENDS:
            signal.signal(asked, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ingest(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.ingest import ingest
    from dssm_core.input_files import TextOptions

    with _stoppable(), tqdm(total=1, bar_format=_BAR, desc="ingest", disable=options.json or None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return ingest(
            workspace,
            options.format,
            options.exposures,
            users=options.users,
            articles=options.articles,
            test_exposures=options.test_exposures,
            history=options.history,
            mapping=_mapping(options.map),
            click=options.click,
            timezone=options.timezone,
            text=TextOptions(options.encoding, _separator(options.separator), options.header),
            name=options.name,
            progress=progress,
            engine=options.engine,
            address=options.address,
        )


def _separator(text: str | None) -> str | None:
    """A tab may be typed as the two letters that stand for it."""
    return "\t" if text == r"\t" else text


def _mapping(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"bad mapping {pair!r}: write it as canonical=column, such as user_id=reader")
    return dict(pair.split("=", 1) for pair in pairs)


def _datasets(workspace: Workspace, options: argparse.Namespace) -> dict:
    keys = ("id", "name", "format", "exposures", "clicks", "users", "articles", "bundled")
    listed = [{key: manifest[key] for key in keys} for manifest in workspace.datasets()]
    return {"datasets": listed, "damaged": workspace.damaged_datasets()}


def _publish(workspace: Workspace, options: argparse.Namespace) -> dict:
    if not workspace.remote:
        raise UserError(f"the workspace {workspace.shown} is at no URL: there is nowhere to publish to")
    datasets = [manifest["id"] for manifest in workspace.datasets()]
    kind, folder = ("datasets", workspace.dataset_folder) if options.id in datasets else ("runs", workspace.run_folder)
    if workspace.is_bundled(folder(options.id)):
        raise UserError(f"{options.id} ships with the project and is published nowhere")
    workspace.publish(kind, options.id)
    return {"published": options.id, "at": workspace.remote.shown}


def _delete(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.deleting import delete

    kind = delete(workspace, options.id, options.for_good)
    until = "it is gone for good" if options.for_good else f"`restore {options.id}` brings it back for {KEPT_DAYS} days"
    return {"deleted": options.id, "kind": kind, "note": until}


def _restore(workspace: Workspace, options: argparse.Namespace) -> dict:
    if options.id is None:
        deleted = [{"id": one.id, "kind": one.kind[:-1], "deleted": _utc(one.when)} for one in workspace.deleted()]
        return {"deleted": deleted}
    return {"restored": options.id, "kind": workspace.restore(options.id).kind[:-1]}


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _note(workspace: Workspace, options: argparse.Namespace) -> dict:
    run = open_run(workspace, options.run)
    notes = read_notes(run)
    if options.text is not None or options.tag is not None:
        text = notes.text if options.text is None else options.text
        notes = write_notes(run, text, notes.tags if options.tag is None else options.tag)
    told = {"run": run.id, "text": notes.text, "tags": notes.tags}
    told |= {"problem": notes.damage} if notes.damage else {}
    return told | ({"kept": "on this machine alone, not at the URL"} if workspace.remote else {})


def _runs(workspace: Workspace, options: argparse.Namespace) -> dict:
    return {"runs": [_listed(run) for run in list_runs(workspace)]}


def _listed(run: Run) -> dict:
    state = run.state()
    listed = {"id": run.id, "name": run.name, "dataset": run.dataset, "preset": run.preset, "bundled": run.bundled}
    listed |= {"state": state.state, "reason": state.reason, "tags": read_notes(run).tags}
    return listed | ({"metrics": run.metrics()["metrics"]} if run.finished else {})


def _presets(workspace: Workspace, options: argparse.Namespace) -> dict:
    return {
        name: {"summary": preset.summary, "source": preset.source, "settings": list(preset.settings)}
        for name, preset in PRESETS.items()
    }


def _train(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.readiness import check

    config = asked_config(options)
    check(workspace, load_dataset(workspace, options.dataset), config)
    run = start_run(workspace, options.dataset, config, options.name, options.preset)
    if options.detach:
        return {"run": run.id, "state": "queued"}
    _follow(run, options.json)
    return {"run": run.id, **run.metrics()}


def asked_config(options: argparse.Namespace) -> Config:
    """The config that the options of `train` say: a preset's, with the file's keys over it, then what is set."""
    config = find_preset(options.preset).config if options.preset else Config()
    if options.config:
        config = unflatten({**flatten(config), **_read_config(options.config)})
    seed = [f"seed={options.seed}"] if options.seed is not None else []
    return with_settings(config, [*options.set, *seed])


def _read_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read config {path}: {error}; it must hold one JSON object of dotted keys") from None
    if not isinstance(config, dict):
        raise UserError(f"config {path} must hold one JSON object of dotted keys")
    return config


def _follow(run: Run, quiet: bool) -> None:
    """Show a run's progress until it ends; Ctrl-C cancels it. A UserError says why it did not finish."""
    try:
        with tqdm(
            total=1.0, desc="queued", disable=quiet or None, bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}"
        ) as bar:
            while (state := run.state()).state in ACTIVE:
                bar.set_description(state.doing if state.state != "queued" else "queued")
                bar.update((state.progress or 0) - bar.n)
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        cancel_run(run)
        raise
    if state.state != "finished":
        raise UserError(f"run {run.id} {state.state}: {state.reason}")


def _sweep(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.sweeps import start_sweep

    if options.engine == "ray" and options.jobs is not None:
        raise UserError("on Ray the cluster says how many runs are at work at once: leave --jobs out, or set --cpus")
    presets = list(dict.fromkeys(name for name in options.presets.split(",") if name))
    sweep = start_sweep(
        workspace,
        options.dataset,
        presets,
        options.seeds,
        settings=options.set,
        positives=options.positives,
        jobs=1 if options.jobs is None else options.jobs,
        engine=_engine(options),
        name=options.name,
    )
    if not options.detach:
        _follow_sweep(sweep, options.json)
    return _told(sweep)


def _engine(options: argparse.Namespace):
    """The engine of a sweep."""
    from dssm_core.sweeps import Engine

    asked = {"cpus": options.cpus, "gpus": options.gpus}
    for name in (name for name, value in asked.items() if value is not None and options.engine == "local"):
        raise UserError(f"--{name} is for --engine ray: a run on this machine alone may take all that it has")
    given = {name: value for name, value in asked.items() if value is not None}
    return Engine(kind=options.engine, address=options.address, **given)


def _follow_sweep(sweep, quiet: bool) -> None:
    """Show how many runs are done and when all will be; Ctrl-C cancels the sweep. A UserError if none finished."""
    from dssm_core.sweeps import cancel_sweep

    begun = time.monotonic()
    try:
        with tqdm(total=1.0, disable=quiet or None, bar_format="{desc} {percentage:3.0f}% |{bar}| {postfix}") as bar:
            while (state := sweep.state()).state in ACTIVE:
                left = f", {state.eta_s / 60:.0f} min left" if state.eta_s is not None else ""
                bar.set_description(state.stage, refresh=False)
                bar.set_postfix_str(f"{time.monotonic() - begun:.0f} s{left}", refresh=False)
                bar.update(max(0.0, (state.progress or 0) - bar.n))
                bar.refresh()
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        cancel_sweep(sweep)
        raise
    if state.state != "finished":
        raise UserError(f"sweep {sweep.id} {state.state}: {state.reason}")


def _told(sweep) -> dict:
    """A sweep with its runs, and the metrics of those that are finished."""
    state, rows = sweep.state(), []
    runs = {run.id: run for run in sweep.runs()}
    for planned in sweep.planned:
        run = runs.get(planned["run"])
        row = {key: planned[key] for key in ("run", "preset", "seed", "positives")}
        row["state"] = run.state().state if run else "planned"
        rows.append(row | ({"metrics": run.metrics()["metrics"]} if run and run.finished else {}))
    told = {"sweep": sweep.id, "dataset": sweep.dataset, "state": state.state, "reason": state.reason}
    return told | {"positives": sweep.positives, "runs": rows}


def _sweeps(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.sweeps import list_sweeps

    listed = [(sweep, sweep.state()) for sweep in list_sweeps(workspace)]
    return {
        "sweeps": [
            {"id": sweep.id, "name": sweep.name, "dataset": sweep.dataset, "state": state.state, "done": state.stage}
            for sweep, state in listed
        ]
    }


def _evaluate(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.answers import evaluate_run, keep_evaluation

    share_out = _share_out(options)
    run = open_run(workspace, options.run)
    settings = [f"eval.k={options.k}"] if options.k else []
    settings += [f"index.kind={options.index}"] if options.index else []
    for setting in options.set:
        if not setting.startswith(("index.", "eval.")):
            raise UserError(
                f"bad setting {setting!r}: a finished run takes only index.… and eval.… keys; train it again"
            )
    config = with_settings(run.config, [*settings, *options.set])
    evaluation = evaluate_run(workspace, run, config, share_out)
    kept = keep_evaluation(workspace, run, config, evaluation, options.name) if options.keep else run
    return {"run": kept.id, "metrics": evaluation.metrics, "facts": evaluation.facts, "reasons": evaluation.reasons}


def _index_loss(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.index_loss import SETTINGS, IndexLoss

    loss = IndexLoss(workspace, open_run(workspace, options.run), options.k)
    for _ in tqdm(loss.measure(), total=len(SETTINGS), desc="index loss", disable=options.json or None):
        pass
    return {"run": options.run, "k": options.k, "settings": loss.rows()}


def _recall(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.answers import recall_everybody, recall_user

    if options.k < 1:
        raise UserError(f"bad value {options.k} for -k: it must be 1 or more")
    share_out, run = _share_out(options), open_run(workspace, options.run)
    if options.everybody:
        path = options.to or Path(f"recall-{run.id}.parquet")
        return recall_everybody(workspace, run, options.k, path, share_out)
    if options.to or options.engine == "ray":
        raise UserError("--to and --engine are for the lists of all users: add --everybody instead of --user")
    return recall_user(workspace, run, options.user, options.k)


def _share_out(options: argparse.Namespace):
    """What `--engine` says of who computes recall lists."""
    from dssm_core.ray_cluster import check_engine

    check_engine(options.engine, options.address)
    if options.engine == "local":
        return nullcontext
    from dssm_core.ray_recall import shared_out

    return partial(shared_out, address=options.address)


def _compare(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.compare import compare_runs

    return compare_runs(workspace, [open_run(workspace, run) for run in options.runs], options.narrow)


def _export(workspace: Workspace, options: argparse.Namespace) -> dict:
    if options.run in [manifest["id"] for manifest in workspace.datasets()]:
        return _export_dataset(load_dataset(workspace, options.run), options)
    from dssm_core.export import export_run

    run = open_run(workspace, options.run)
    files = export_run(run, load_dataset(workspace, run.dataset), options.to, options.format)
    return {"run": run.id, "files": [str(file) for file in files]}


def _export_dataset(dataset: Dataset, options: argparse.Namespace) -> dict:
    from dssm_core.dataset_export import export_dataset, read_again

    files = export_dataset(dataset, options.to, options.format or "parquet")
    named = {table: str(file) for table, file in files.items()}
    return {"dataset": dataset.id, **named, "read_again": read_again(dataset, files)}


def _bundle(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.bundle import write_bundle

    run = open_run(workspace, options.run)
    write_bundle(workspace, run, options.to)
    return {"run": run.id, "file": str(options.to)}


def _cancel(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.sweeps import cancel_sweep, open_sweep

    if any(folder.name == options.run for folder in workspace.sweep_folders()):
        sweep = open_sweep(workspace, options.run)
        cancel_sweep(sweep)
        return {"sweep": sweep.id, "state": sweep.state().state}
    run = open_run(workspace, options.run)
    cancel_run(run)
    return {"run": run.id, "state": run.state().state}


def _resume(workspace: Workspace, options: argparse.Namespace) -> dict:
    from dssm_core.sweeps import open_sweep, resume_sweep

    if any(folder.name == options.run for folder in workspace.sweep_folders()):
        sweep = open_sweep(workspace, options.run)
        resume_sweep(sweep)
        if not options.detach:
            _follow_sweep(sweep, options.json)
        return _told(sweep)
    run = open_run(workspace, options.run)
    resume_run(workspace, run)
    if options.detach:
        return {"run": run.id, "state": run.state().state}
    _follow(run, options.json)
    return {"run": run.id, **run.metrics()}


def _human_resumed(result: dict) -> str:
    return _human_sweep(result) if "sweep" in result else _human_metrics(result)


def _human_pairs(result: dict) -> str:
    return "\n".join(f"{key}: {value}" for key, value in result.items())


def _human_ingest(result: dict) -> str:
    lines = [f"dataset {result['dataset']}: {result['accepted']:,} of {result['rows_in']:,} rows accepted"]
    lines += [f"  set aside, {reason}: {count:,}" for reason, count in result["set_aside"].items() if count]
    lines += [f"{result['users']:,} users, {result['articles']:,} articles, {result['clicks']:,} clicks"]
    lines += [f"{name}: {told}" for name, told in result["times"].items()]
    return "\n".join(lines)


def _human_datasets(result: dict) -> str:
    whole = _table(result["datasets"], ("id", "name", "exposures", "clicks", "users", "articles")) or "no datasets yet"
    return "\n".join([whole, *result["damaged"].values()])


def _human_runs(result: dict) -> str:
    rows = [{**run, "tags": ", ".join(run["tags"])} for run in result["runs"]]
    return _table(rows, ("id", "name", "dataset", "state", "tags")) or "no runs yet"


def _human_restored(result: dict) -> str:
    if "restored" in result:
        return _human_pairs(result)
    return _table(result["deleted"], ("id", "kind", "deleted")) or "nothing was deleted in the last days"


def _human_presets(result: dict) -> str:
    return "\n".join(
        f"{name}\n  {preset['summary']}\n  {preset['source']}\n  {' '.join(preset['settings'])}"
        for name, preset in result.items()
    )


def _human_metrics(result: dict) -> str:
    if "metrics" not in result:
        return _human_pairs(result)
    facts = result["facts"]
    lines = [f"run {result['run']}: {facts['users']:,} users, {facts['held_out_clicks']:,} held-out clicks"]
    lines += [f"  {facts['in_pool_share']:.1%} of them in the pool, {facts['warm_share']:.1%} on warm articles"]
    if facts["users"] < _FEW_USERS:
        lines += ["  so few users say little: cut the log another way, such as split.kind=random or leave_last"]
    lines += [f"  {name:<24} {_interval(metric)}" for name, metric in result["metrics"].items()]
    return "\n".join(lines)


def _human_index_loss(result: dict) -> str:
    users = max(row["users"] for row in result["settings"])
    lines = [f"run {result['run']}: recall@{result['k']} through an index, and queries a second, of {users:,} users"]
    for row in result["settings"]:
        speed = f"{row['queries_per_second']:>10,.0f} queries/s"
        recall = f"{row['recall']:.4f}  lost {row['loss']:.4f} [{row['loss_low']:.4f}, {row['loss_high']:.4f}]"
        lines += [f"  {row['setting']:<36} {recall}  {speed}  {row['share_of_exact']:.1%} of the exact list"]
    return "\n".join(lines)


def _human_sweep(result: dict) -> str:
    lines = [f"sweep {result['sweep']}: {result['state']}{', ' + result['reason'] if result['reason'] else ''}"]
    for row in result["runs"]:
        metrics = {name: one for name, one in row.get("metrics", {}).items() if name.startswith("recall@")}
        told = "  ".join(f"{name} {_interval(metric)}" for name, metric in metrics.items()) or row["state"]
        lines += [f"  {row['run'] or '-':<22} {row['preset']:<22} seed {row['seed']}  {told}"]
    finished = " ".join(_finished_ids(result))
    return "\n".join([*lines, *([f"compare them: python -m dssm_core compare {finished}"] if finished else [])])


def _finished_ids(result: dict) -> list[str]:
    return [row["run"] for row in result["runs"] if "metrics" in row]


def _human_sweeps(result: dict) -> str:
    return _table(result["sweeps"], ("id", "name", "dataset", "state", "done")) or "no sweeps yet"


def _human_recall(result: dict) -> str:
    if "file" in result:
        return f"{result['file']}: {result['rows']:,} places in the lists of {result['users']:,} users"
    lines = [f"user {result['user']}, run {result['run']}"]
    lines += [
        f"  {row['rank']:>4}  {row['score']:.4f}  {'hit' if row['hit'] else '   '}  {row['article_id']}"
        for row in result["recall"]
    ]
    lines += ["held-out clicks"] if result["held_out"] else ["no held-out clicks"]
    lines += [f"  {row['article_id']}  rank {row['rank'] or 'n/a'}: {row['reason']}" for row in result["held_out"]]
    return "\n".join(lines)


def _human_compare(result: dict) -> str:
    lines = []
    for group, metrics in result["runs"].items():
        seeds = len(result["groups"][group])
        lines += [group if seeds == 1 else f"{group} and {seeds - 1} of other seeds"]
        lines += [f"  {name:<24} {_interval(metric)}" for name, metric in metrics.items()]
    lines += ["difference from the first run"] if result["differences"] else []
    lines += [f"  {row['run']}  {row['metric']:<14} {_interval(row)}" for row in result["differences"]]
    covers = {row["covers"] for row in result["differences"]}
    lines += [f"intervals cover {' or '.join(sorted(covers))}: seeds take runs of two or more"] if covers else []
    lines += [f"why held-out clicks were missed, or not, in lists of {result['reasons_k']}"]
    for run, reasons in result["reasons"].items():
        lines += [f"  {run}  " + ", ".join(f"{reason} {share:.1%}" for reason, share in reasons.items() if share)]
    return "\n".join(lines)


def _interval(metric: dict) -> str:
    if metric["value"] is None:
        return "n/a"
    if metric["low"] is None:
        return f"{metric['value']:.4f}"
    return f"{metric['value']:.4f}  [{metric['low']:.4f}, {metric['high']:.4f}]"


def _table(rows: list[dict], keys: tuple[str, ...]) -> str:
    texts = [keys, *(tuple(str(row[key]) for key in keys) for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )
