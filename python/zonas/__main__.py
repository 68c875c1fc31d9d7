"""`python -m zonas`: the `zonas` command of this environment."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    places = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    for place in places:
        command = Path(place) / "zonas"
        if command.is_file():
            os.execv(command, [str(command), *sys.argv[1:]])
    sys.exit(f"the command zonas is not in {' or '.join(places)}; install the package again: pip install --force-reinstall zonas")


if __name__ == "__main__":
    main()
