"""Whether a token lets its socket in: who has opted out, and who has a place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ingest.log.not_taken import NotTakenError
from ingest.socket.actions import NOT_TRACKED, RESTART, TOO_MANY, Action
from ingest.socket.collaborators import SocketCollaborators
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

if TYPE_CHECKING:
    from ingest.socket.shell import Socket


async def admitted(shared: SocketCollaborators, socket: Socket, identity: Identity) -> list[Action]:
    """What follows from a handshake that named ``identity``."""
    session = socket.session
    if closing := _not_tracked(shared, socket, identity.user):
        return closing
    if not await shared.places.take(socket, identity.user, identity.device):
        return session.close(TOO_MANY, "too many connections")
    return session.admitted(identity, *_valid_until(shared, identity))


async def verified(shared: SocketCollaborators, socket: Socket, token: str) -> list[Action]:
    """What follows from the token of an ``auth`` frame."""
    session = socket.session
    try:
        identity = await shared.authentication.of_token(token, lambda: socket.client)
    except ProblemError as problem:
        if problem.code in shared.metrics.token_refusals:
            shared.metrics.token_refusals[problem.code].inc()
        return session.refused(problem, asyncio.get_running_loop().time())
    socket.prove()
    if closing := _not_tracked(shared, socket, identity.user):
        return closing
    if session.user is None:
        device = session.device_of(identity)
        if not await shared.places.take(socket, identity.user, device):
            return session.close(TOO_MANY, "too many connections")
    return session.verified(identity, *_valid_until(shared, identity))


def _not_tracked(shared: SocketCollaborators, socket: Socket, user: str) -> list[Action]:
    """What ends the socket of a user who has opted out; nothing for any other."""
    try:
        if shared.opt_outs.covers(user):
            return socket.session.close(NOT_TRACKED, "not tracked")
    except NotTakenError:
        # Who has opted out is not known yet: the client comes again.
        return socket.session.close(RESTART, "not ready")
    return []


def _valid_until(shared: SocketCollaborators, identity: Identity) -> tuple[float, float]:
    """On the session's clock, and the time now."""
    now = asyncio.get_running_loop().time()
    if identity.accepted_until is None:
        return float("inf"), now
    return now + identity.accepted_until - shared.clock(), now
