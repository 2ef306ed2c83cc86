"""What Prometheus may ask: what a worker counted, and what rows and queues tell of the whole installation."""
