"""Runs one chaos test: `python -m payment_worker.devstack.chaos --payments 300 --seed 7`."""

import sys

from payment_worker.devstack.chaos.options import parsed
from payment_worker.devstack.chaos.run import run

sys.exit(run(parsed()))
