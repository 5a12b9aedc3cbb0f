"""The process of a stage, from its command line to its exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence

from glacier.errors import GlacierError
from glacier.report.outcome import told as told_error
from glacier.runtime import logs
from glacier.runtime.ending import EndedEarly, ends_early
from glacier.runtime.invocation import invocation_of
from glacier.runtime.stage import run_stage


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs a stage and gives the exit code: 0 it ended well, or another run is under way; 1 it failed; 2 misuse."""
    try:
        told = invocation_of(arguments, environment)
    except GlacierError as error:
        sys.stderr.write(told_error(error) + "\n")
        return 2
    logs.configure(told)
    try:
        with ends_early(told.timeout):
            return run_stage(told)
    except EndedEarly as ending:
        logs.log.error("%s", ending.message)
        logging.shutdown()
        sys.stdout.flush()
        os._exit(1)  # tasks that still run would hold the interpreter up
