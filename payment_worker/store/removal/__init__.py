"""Archives, deletes and erases rows that are no longer needed."""
