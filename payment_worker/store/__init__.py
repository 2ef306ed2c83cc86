"""The Payment Database, and the only package that imports SQLAlchemy: one module per table."""
