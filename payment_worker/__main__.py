"""Makes `python -m payment_worker` run the command `payment-worker`."""

from payment_worker.cli import main

main()
