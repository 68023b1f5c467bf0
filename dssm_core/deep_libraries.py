"""Imports DeepCTR and DeepMatch without the call to PyPI that either makes, on a thread, when it is imported."""

import importlib.util
import sys
from pathlib import Path


def _without_version_check(package: str) -> None:
    """Load `package.utils`, where the check stands, ahead of the package, and take the check out."""
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location(f"{package}.utils", Path(folder) / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.check_version = lambda version: None
    sys.modules[spec.name] = module


for _package in ("deepctr", "deepmatch"):
    if _package not in sys.modules:
        _without_version_check(_package)

from deepctr.feature_column import SparseFeat  # noqa: E402
from deepctr.layers import DNN, SENETLayer  # noqa: E402
from deepmatch.models import DSSM  # noqa: E402
from deepmatch.utils import NegativeSampler, sampledsoftmaxloss  # noqa: E402

__all__ = ["DNN", "DSSM", "NegativeSampler", "SENETLayer", "SparseFeat", "sampledsoftmaxloss"]
