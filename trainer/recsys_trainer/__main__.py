"""`python -m recsys_trainer`, as the image starts it: the same as the command recsys-trainer."""

import sys

from recsys_trainer.cli import main

if __name__ == "__main__":
    sys.exit(main())
