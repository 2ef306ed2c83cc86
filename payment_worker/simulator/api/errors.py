"""Stripe's error responses: an HTTP status and an `error` object."""

from collections.abc import Mapping
from typing import Any


class RequestError(Exception):
    """The request is answered with `status` and `error`; `is_kept`: an idempotency key remembers it."""

    def __init__(
        self,
        status: int,
        error: Mapping[str, Any],
        *,
        is_kept: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = dict(error)
        self.is_kept = is_kept
        self.headers = dict(headers or {})


def doc_url(code: str) -> str:
    """Where Stripe explains an error code."""
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def invalid_request(
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    status: int = 400,
    is_kept: bool = False,
    **more: object,
) -> RequestError:
    """An `invalid_request_error`."""
    error: dict[str, Any] = {"message": message, "type": "invalid_request_error", **more}
    if param is not None:
        error["param"] = param
    if code is not None:
        error |= {"code": code, "doc_url": doc_url(code)}
    return RequestError(status, error, is_kept=is_kept)


def missing_parameter(name: str) -> RequestError:
    """A required parameter is not there."""
    return invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")


def unknown_parameter(name: str) -> RequestError:
    """Stripe knows no such parameter here."""
    return invalid_request(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def no_such(kind: str, object_id: str, *, param: str, status: int = 400) -> RequestError:
    """An id names nothing in this account: 404 in the path, 400 in a parameter."""
    return invalid_request(
        f"No such {kind}: '{object_id}'", param=param, code="resource_missing", status=status
    )


def idempotency_mismatch(key: str) -> RequestError:
    """The key was first used with other parameters or another endpoint; Stripe sends no code here."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return RequestError(400, {"message": message, "type": "idempotency_error"})


def key_in_use(key: str) -> RequestError:
    """Another request under this key has not been answered yet."""
    message = f"There is currently another in-progress request using this Idempotent Key ({key})."
    error = {
        "message": message,
        "type": "invalid_request_error",
        "code": "idempotency_key_in_use",
        "doc_url": doc_url("idempotency_key_in_use"),
    }
    return RequestError(409, error, headers={"Stripe-Should-Retry": "true"})


def rate_limited() -> RequestError:
    """More requests than the account may send."""
    error = {
        "message": "Request rate limit exceeded: too many requests hit the API too quickly.",
        "type": "invalid_request_error",
        "code": "rate_limit",
        "doc_url": doc_url("rate_limit"),
    }
    return RequestError(429, error, headers={"Stripe-Rate-Limited-Reason": "global-rate"})


def unauthorized(message: str) -> RequestError:
    """No key, or not a good one."""
    error = {"message": message, "type": "invalid_request_error"}
    return RequestError(401, error, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'})


def forbidden() -> RequestError:
    """The key is a restricted one and may not do this."""
    message = (
        "The provided key does not have the required permissions for this endpoint. Having the "
        "'rak_payment_intent_write' permission would allow this request to continue."
    )
    return invalid_request(message, code="more_permissions_required", status=403)


def no_access(account_id: str) -> RequestError:
    """The key may not act for that account: it is none, or it is connected no more."""
    message = (
        f"The provided key does not have access to account '{account_id}' (or that account does not exist). "
        "Application access may have been revoked."
    )
    return invalid_request(message, code="account_invalid", status=403)


def unknown_path(method: str, path: str) -> RequestError:
    """No endpoint answers there."""
    message = (
        f"Unrecognized request URL ({method}: {path}). Please check the API reference for the right path."
    )
    return RequestError(404, {"message": message, "type": "invalid_request_error"})


def not_built(what: str) -> RequestError:
    """Stripe can do it, the simulator cannot."""
    message = f"{what}: Stripe has this, its simulator does not. docs/simulator.md lists what is built."
    error = {"message": message, "type": "api_error", "code": "not_built"}
    return RequestError(501, error, headers={"Stripe-Should-Retry": "false"})
