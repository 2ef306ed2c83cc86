"""`manage.py send_charges`, once a minute."""

from django.core.management.base import BaseCommand

from shop.charges import send_unanswered


class Command(BaseCommand):
    """Sends charges again of which nothing was heard."""

    help = "Send charges again of which nothing was heard for a minute."

    def handle(self, **_: object) -> None:
        """Send them, and say how many."""
        self.stdout.write(f"{send_unanswered()} sent again")
