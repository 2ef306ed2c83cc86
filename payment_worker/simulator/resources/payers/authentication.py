"""3D Secure: what asks a customer to authenticate before a payment or a setup goes on."""

from payment_worker.simulator.state import Json


def next_action(object_id: str, return_url: str | None) -> Json:
    """Where the customer goes: to a page that leads back to the app, or, without an address, to Stripe's SDK."""
    if return_url is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    page = f"https://hooks.stripe.com/3d_secure_2/{object_id}"
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": page}}
