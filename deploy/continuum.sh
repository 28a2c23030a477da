#!/bin/sh
# The command line in the image.
exec python -P -c 'from continuum.cli import app; app(prog_name="continuum")' "$@"
