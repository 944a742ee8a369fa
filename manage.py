#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from webapp.environment import WrongStart

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    try:
        execute_from_command_line(sys.argv)
    except WrongStart as error:
        sys.exit(str(error))
