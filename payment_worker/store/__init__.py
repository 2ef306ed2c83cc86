"""The Payment Database, and the only importer of SQLAlchemy: one module per table, one function per transaction."""
