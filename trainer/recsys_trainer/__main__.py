"""`python -m recsys_trainer`, as the image starts it: the same as the command recsys-trainer."""

from recsys_trainer.cli import run

if __name__ == "__main__":
    run()
