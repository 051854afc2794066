"""The command recsys-trainer, and `python -m recsys_trainer`, as the image starts it."""

from typing import NoReturn

from recsys_trainer.process import ended_by_ctrl_c


def run() -> NoReturn:
    """A command as a process. Loading torch takes seconds, in which somebody may press Ctrl-C."""
    with ended_by_ctrl_c():
        from recsys_trainer import cli
    cli.run()


if __name__ == "__main__":
    run()
