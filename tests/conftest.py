"""Keeps how the tests that cite a requirement or play a certification case ended, for ``tests.conformance.tables``."""

from __future__ import annotations

import urllib.request  # noqa: F401  # before the agent imports websockets without it: other clients want it

import pytest

RESULTS = "conformance/results"  # in pytest's own cache, which is not committed
_ended: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the outcome of one test; with several processes this is called in the one that collects."""
    if not {"octt", "req"} & set(report.keywords):
        return
    if report.when == "call" or report.outcome != "passed":
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        if _ended.get(report.nodeid) in (None, "passed"):
            _ended[report.nodeid] = outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add this run's outcomes to the kept ones; those of a function that ran replace all of its own."""
    cache = getattr(session.config, "cache", None)  # it can be switched off
    if hasattr(session.config, "workerinput") or cache is None or not _ended:
        return
    ran = {node.partition("[")[0] for node in _ended}
    kept: dict[str, str] = cache.get(RESULTS, {})
    others = {node: outcome for node, outcome in kept.items() if node.partition("[")[0] not in ran}
    cache.set(RESULTS, others | _ended)
