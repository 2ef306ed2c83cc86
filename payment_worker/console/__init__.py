"""Web pages about payments, for the people who look after them."""
