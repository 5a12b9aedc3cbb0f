"""`python -m glacier.runtime ENTRY --stage NAME --records URI`."""

from __future__ import annotations

import os
import sys

from glacier.runtime.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
