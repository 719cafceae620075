"""What the tests of federations share."""

from __future__ import annotations

import pytest

from tests.rigs.debian_postgres import DebianPostgres
from tests.rigs.federation_rig import allow_members


@pytest.fixture(scope="session")
def members_server(debian_postgres: DebianPostgres) -> DebianPostgres:
    """A server that may have members of federations."""
    allow_members(debian_postgres)
    return debian_postgres
