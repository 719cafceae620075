"""One target under the fuzzer: ``python -m tests.fuzz.one NAME libFuzzer's arguments``.

The code under test is instrumented as it is imported, so nothing of it may be imported before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import process_time
from typing import Final

#: Of an input of 4 KB at most; the code is instrumented.
MOST_CPU_SECONDS: Final = 0.5


def main() -> None:
    import atheris  # type: ignore[import-untyped]

    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["api", "ingest", "schemas"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], bounded(TARGETS[name]))
    atheris.Fuzz()


def bounded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Fails where an input costs more than it may. (The fuzzer's own alarm would end the process
    before it writes down what it found.)"""

    def run(data: bytes) -> None:
        began = process_time()
        target(data)
        took = process_time() - began
        assert took < MOST_CPU_SECONDS, f"{len(data)} bytes took {took:.1f} s of CPU"

    return run


if __name__ == "__main__":
    main()
