# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests, and ./check's choice by words."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from chappe import Chappe  # noqa: E402
from people import People  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--words", action="append", default=[],
                     help="run only tests whose names contain one of these")


def pytest_collection_modifyitems(config, items):
    words = config.getoption("--words")
    if words:
        items[:] = [item for item in items
                    if any(word in f"e2e/{item.module.__name__}.{item.name}"
                           for word in words)]


@pytest.fixture
def chappe(tmp_path):
    """A server of its own, started, with the accounts alice and bob."""
    with Chappe(tmp_path) as server:
        server.start()
        server.add_user("alice")
        server.add_user("bob")
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all tests of a module that do no harm to it."""
    with Chappe(tmp_path_factory.mktemp("shared")) as server:
        server.start()
        server.add_user("alice")
        server.add_user("bob")
        yield server


@pytest.fixture
def people(shared):
    """Makes accounts on the shared server: alice, bob = people("alice",
    "bob"); see t/lib/people.py."""
    made = People(shared)
    yield made
    made.close()


@pytest.fixture
def stopped(tmp_path):
    """A server that the test configures and starts itself."""
    with Chappe(tmp_path) as server:
        yield server
