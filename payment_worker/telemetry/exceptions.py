"""Describes an unexpected exception by its type and location, without its message."""

import traceback


def described(error: BaseException, *, except_module: str = "") -> str:
    """An error's class and its innermost frame in our code, except that of `except_module`.

    Its message is not included: it may contain anything.
    """
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    locations = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") != except_module
    ]
    own_locations = [location for location in locations if location.startswith("payment_worker.")]
    return f"{kind} at {(own_locations or locations or ['an unknown place'])[-1]}"
