"""`python -m payment_worker.simulator` serves until it is told to stop."""

import sys

from payment_worker.simulator.server import main

sys.exit(main(sys.argv[1:]))
