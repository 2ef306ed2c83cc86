"""How we remember: the only importer of SQLAlchemy. One function is one statement or one transaction."""
