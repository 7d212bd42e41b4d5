"""What ends a command that started processes: SIGTERM and SIGHUP as Ctrl-C does, so that all are ended in order."""

import signal


def stop_like_ctrl_c() -> None:
    """Let both raise KeyboardInterrupt from now on. SIGHUP stays ignored under `nohup`, which means it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
