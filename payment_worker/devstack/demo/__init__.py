"""`make demo`: an example app, its scenarios, and the tables printed at the end."""
