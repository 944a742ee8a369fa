"""The trainer's process: `python -m training run|job KEY LEASE PARENT` carries out one claimed run or job."""

import os
import sys

import django

NICENESS = 5  # answering visitors goes before training

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.nice(NICENESS)
    django.setup()

    from training.runs.trainer_process import main  # its rows want Django set up

    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
