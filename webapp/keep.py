"""The keeper by its old name, which Procfiles and units of earlier releases run: `python webapp/keep.py COMMAND …`."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parent / "operations" / "keeper.py"), run_name="__main__")
