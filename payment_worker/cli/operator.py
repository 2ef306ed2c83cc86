"""Who sits at the keyboard, for the record."""

import getpass
import socket


def operator() -> str:
    """The user's name and the machine's, as `requested_by` and the history show them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "somebody"
    return f"{user} on {socket.gethostname()}"
