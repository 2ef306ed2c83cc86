"""Runs the simulator: `python -m payment_worker.simulator`."""

import sys

from payment_worker.simulator.server import main

sys.exit(main(sys.argv[1:]))
