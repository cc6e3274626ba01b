"""How the test servers are stopped: by SIGTERM or SIGINT."""

import signal
from typing import Callable


def on_signal(action: Callable[[], object]) -> None:
    """Runs `action` in the main thread when the server is asked to stop."""
    stopping = (signal.SIGTERM, signal.SIGINT)
    for number in stopping:
        signal.signal(number, lambda *_: action())
    # A program started by a worker thread of another inherits that thread's mask, which may block
    # all signals.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping)
