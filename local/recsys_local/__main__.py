"""`python -m recsys_local`."""

from recsys_local.cli import main

raise SystemExit(main())
