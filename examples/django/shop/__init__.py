"""A shop that has its orders charged by Payment Worker."""
