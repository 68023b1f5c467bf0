"""What README.md shows is so: its tables are those of the code, its commands run, and what it names is there."""

import re
import shlex
import shutil

import pytest

from dssm_core.cli import main, parser
from dssm_core.runs import open_run
from dssm_core.workspace import Workspace
from scripts.write_readme_tables import README, ROOT, with_tables
from tests.format_samples import WRITERS, impressions

TEXT = README.read_text(encoding="utf-8")
JOINED = TEXT.replace("\\\n", " ")
LINES = [line.strip() for line in re.findall(r"^    python -m dssm_core ([^\n#]+)", JOINED, re.M)]
FORMATS = re.findall(r"\| `(--format [^`]+)` \|", TEXT)
COMMANDS = [*LINES, *(f"ingest {options}" for options in FORMATS)]
ELSEWHERE = re.compile(r"^sweep|--engine ray|^resume|^train")
"""What trains or starts a cluster: run by tests of their own, which take their time once."""


def test_its_tables_are_those_of_the_code():
    assert with_tables(TEXT) == TEXT, "run scripts/write_readme_tables.py"


def test_every_format_is_shown_with_a_command():
    assert {options.split()[1] for options in FORMATS} == set(WRITERS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shown_is_one(command):
    parser().parse_args(shlex.split(command))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands are run: with files of the names that README.md has for them."""
    folder = tmp_path_factory.mktemp("here")
    log = impressions()
    places = {"mind": "MINDsmall_train", "ebnerd": "ebnerd_small", "movielens": "ml-1m"}
    for format_, write in WRITERS.items():
        write(folder / places.get(format_, "."), log)
    WRITERS["mind"](folder / "MINDsmall_dev", impressions(seed=1))
    rows = (folder / "log.csv").read_text().splitlines()[1:]
    (folder / "log.csv").write_text("\n".join(["uid,item,expo_time,click", *rows]))
    rated = [row.rsplit(",", 1)[0] + f",{4 if row.endswith('1') else 2}" for row in rows]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,timestamp,rating", *rated]))
    (folder / "user_info.txt").write_text("1\tphone\tAndroid\tHebei\tShijiazhuang\t\t\n")
    (folder / "doc_info.txt").write_text("100\tA title\t1573257600000\t3\tsport\tfootball\t\n")
    return folder


@pytest.mark.parametrize("command", [command for command in COMMANDS if not ELSEWHERE.search(command)])
def test_a_command_shown_runs(command, folder, trained, tmp_path, monkeypatch, capsys):
    home = shutil.copytree(trained.home, tmp_path / "home")
    run = open_run(Workspace(home, bundled=None), "taught")
    user = run.per_user()["user_id"].iat[0]
    names = {"RUN": run.id, "ID": run.id, "DATASET": run.dataset, "USER_ID": user}
    names |= {"DIR": str(tmp_path / "out"), "FILE.zip": str(tmp_path / "run.zip")}
    monkeypatch.chdir(folder)
    words = [names.get(word, word) for word in shlex.split(command)]
    # the lists of the tests' run are shorter than those of a run as it comes
    words += ["-k", "20"] if words[0] == "index-loss" else []
    code = main([*words, "--home", str(home)])
    assert code == 0, capsys.readouterr().err


def test_every_command_is_told_of():
    told = set(re.findall(r"`([a-z-]+)", TEXT)) | {line.split()[0] for line in LINES}
    commands = set(re.findall(r"^    ([a-z-]+) ", parser().format_help(), re.M))
    assert commands and commands <= told


def test_what_it_links_to_and_what_make_makes_is_there():
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", TEXT)
    assert not [link for link in links if not (ROOT / link).exists()]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:^    |`)make ([a-z]+)", TEXT, re.M)) <= targets
