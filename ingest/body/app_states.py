"""The states of an app, in the words of the systems that phones have. PURE.

What is written to the log is Flutter's word for it (design, section 1).
"""

from __future__ import annotations

import re
from typing import Final

from schemas.log.events import BACKGROUND_APP_STATES, FOREGROUND_APP_STATES

APP_STATES: Final = FOREGROUND_APP_STATES | BACKGROUND_APP_STATES
#: React Native's ``AppState``, UIKit's application and scene states, Android's life cycle, a page's
#: ``visibilityState``. ``active`` is somebody who is there, as ``resumed`` is.
_SYNONYMS: Final = {
    "active": "resumed",
    "foregroundactive": "resumed",
    "visible": "resumed",
    "foregroundinactive": "inactive",
    "started": "inactive",
    "suspended": "paused",
    "stopped": "paused",
    "terminated": "detached",
    "notrunning": "detached",
    "unattached": "detached",
    "destroyed": "detached",
}
_WORDS: Final = {**{state: state for state in APP_STATES}, **_SYNONYMS}


_NO_LETTER: Final = re.compile("[^a-z]+")
#: What Objective-C has before its words: ``UIApplicationStateActive``.
_TYPE: Final = re.compile("^ui(?:application|sceneactivation)state")


def app_state_of(text: str) -> str | None:
    """The state that ``text`` says in any case, also as a language prints its enumeration
    (``AppLifecycleState.paused``, ``UIApplicationStateActive``, ``foreground-active``); ``None``
    for a word that we do not know."""
    state = _WORDS.get(text)
    if state is not None:
        return state
    word = _NO_LETTER.sub("", text.rpartition(".")[2].lower())
    return _WORDS.get(_TYPE.sub("", word))
