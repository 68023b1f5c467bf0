"""No file can make the lab run code or die: its sources load no pickle or index, evaluate no text, start no shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("dssm_core", "lab", "pages", "benchmarks", "assets", "scripts")
SOURCES = sorted([*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))])
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "joblib",
    "cloudpickle",
    "shelve",
    "marshal",
    "jsonpickle",
    "torch",
    "yaml",
}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"read_pickle", "to_pickle", "load_model", "load_weights", "unsafe_load", "system", "popen", "set_npy_pickle"}
METHODS |= {"lambda_layer", "enable_unsafe_deserialization"}
# a wrong index file can kill the process that loads it: indexes are always built from the checked vectors
METHODS |= {"read_index", "deserialize_index"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_runs_nothing_that_a_file_holds(path):
    assert dangers(path.read_text(encoding="utf-8")) == []


def dangers(source: str) -> list[str]:
    """What in a source could run code out of a file, by line."""
    return [f"line {node.lineno}: {what}" for node in ast.walk(ast.parse(source)) for what in _dangers(node)]


def _dangers(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name.split(".")[0] in MODULES]
        case ast.ImportFrom(module=module, names=names) if module:
            named = [module.split(".")[0], *(alias.name for alias in names)]
            return [name for name in named if name in MODULES | METHODS]
        case ast.Call(func=ast.Name(id=name)):
            return ([name] if name in CALLS | METHODS else []) + _arguments(name, node)
        case ast.Call(func=ast.Attribute(attr=name, value=value)):
            numpy = _is(value, "np", "numpy") and _says(node, "allow_pickle", False)
            own = name in METHODS or (name == "load" and not numpy and not _is(value, "json"))
            return ([name] if own else []) + _arguments(name, node)
    return []


def _arguments(name: str, call: ast.Call) -> list[str]:
    """The dangerous arguments of a call, of whatever."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    wrong = [f"{name}({key}=…)" for key in ("shell", "allow_pickle") if key in given and not _says(call, key, False)]
    return wrong + ([f"{name}(persist=…)"] if "persist" in given else [])


def _says(call: ast.Call, key: str, value: bool) -> bool:
    return any(keyword.arg == key and getattr(keyword.value, "value", None) is value for keyword in call.keywords)


def _is(value: ast.expr, *names: str) -> bool:
    return isinstance(value, ast.Name) and value.id in names


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch.serialization",
        "from pandas import read_pickle",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "numpy.load(path, allow_pickle=flag)",
        "np.savez(path, allow_pickle=True, a=a)",
        "pd.read_pickle(path)",
        "keras.models.load_model(path)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "os.system(command)",
        "faiss.read_index(path)",
        "annoy.AnnoyIndex(8, 'angular').load(path)",
        "@st.cache_data(persist='disk')\ndef read(): ...",
    ],
)
def test_the_test_knows_a_danger_when_it_sees_one(source):
    assert dangers(source)


@pytest.mark.parametrize(
    "source",
    [
        "np.load(path, allow_pickle=False)",
        "json.load(file)",
        "re.compile(text)",
        "subprocess.run(command, shell=False)",
    ],
)
def test_the_test_lets_harmless_calls_through(source):
    assert not dangers(source)


def test_there_are_sources_to_look_at():
    assert {"dssm_core", "lab", "pages"} <= {path.parent.name for path in SOURCES}
