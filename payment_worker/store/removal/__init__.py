"""Archives, deletes and erases rows whose time is over."""
