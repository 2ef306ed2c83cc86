"""The simulator's endpoints: the table of them, and how a request reaches its handler."""
