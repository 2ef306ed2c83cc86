"""`python -m payment_worker` is the command `payment-worker`."""

from payment_worker.cli import main

main()
