"""Request parameters of the simulator: parsed from form text, and checked against a schema for each endpoint."""
