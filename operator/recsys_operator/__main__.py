"""`python -m recsys_operator`: settings from the environment, one event loop, exit at SIGTERM or when a part ends."""

import asyncio
import logging
import os
import signal
import sys

from recsys_operator.adapters.connection import load_connection
from recsys_operator.app import Operator
from recsys_operator.clock import SystemClock
from recsys_operator.core.lifecycle import decide
from recsys_operator.errors import OperatorError, SettingsError
from recsys_operator.logs import set_up_logs
from recsys_operator.reconciler import Decide
from recsys_operator.settings import Settings, read_settings

log = logging.getLogger("recsys_operator")


async def run_operator(settings: Settings, decide: Decide) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        OperatorError: it cannot go on.
    """
    stop = asyncio.Event()
    operator = Operator(
        settings,
        load_connection(os.environ.get("KUBECONFIG")),
        decide,
        SystemClock(),
        on_started=lambda: _on_signals(stop),
    )
    await operator.run(stop)


def main() -> int:
    """The exit code: 0 after a signal, 1 when a part ended, 2 when the settings are wrong."""
    try:
        settings = read_settings(os.environ)
        set_up_logs(settings.log_level)
        asyncio.run(run_operator(settings, decide))
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)
        return 2
    except OperatorError as error:
        log.critical("ending: %s", error)
        return 1
    log.info("ended")
    return 0


def _on_signals(stop: asyncio.Event) -> None:
    # kopf has set handlers of its own by now: ours end the other parts as well, in order
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


if __name__ == "__main__":
    sys.exit(main())
