"""The world on a laptop: real PostgreSQL and Valkey, every process of the worker, and the demo."""
