"""The trainer's process: `python -m training RUN LEASE PARENT` carries out one claimed run."""

import os
import sys

import django

NICENESS = 5  # answering visitors goes before training

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.nice(NICENESS)
    django.setup()

    from training.job import main  # its rows want Django set up

    sys.exit(main(*map(int, sys.argv[1:])))
