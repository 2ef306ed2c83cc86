"""Describes an unexpected exception by its type and location, without its message."""

import traceback


def described(error: BaseException, *, besides: str = "") -> str:
    """An error's class and its innermost frame in our code, except that of the module `besides`.

    Its message is not included: it may contain anything.
    """
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") != besides
    ]
    ours = [place for place in places if place.startswith("payment_worker.")]
    return f"{kind} at {(ours or places or ['an unknown place'])[-1]}"
