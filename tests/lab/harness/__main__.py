"""`python -m harness …`: what `./lab` runs."""

import sys

from harness.cli import main

sys.exit(main(sys.argv[1:]))
