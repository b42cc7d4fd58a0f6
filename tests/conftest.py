"""Settings of all tests.

Hypothesis: the same examples at every run, so that a run speaks of the change and not of chance.
``pytest --hypothesis-profile=search`` draws new ones.

``pytest`` alone gives the files to two processes (pytest-xdist); ``pytest -n 0`` and ``pytest FILE`` use one.
"""

import os
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("fixed")

# Threads that wait give their CPU to the other process.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    option: Any = config.option
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    if "PYTEST_XDIST_WORKER" in os.environ:  # which reads this file too
        return
    if whole and getattr(option, "numprocesses", 0) is None and (os.cpu_count() or 1) > 1 and not option.usepdb:
        option.numprocesses = 2
        option.dist = "loadfile"
        option.loadscopereorder = False
