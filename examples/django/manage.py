"""Runs the commands of this shop, which needs REDIS_URL and SHOP_DATABASE_URL (`postgresql://…`)."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
