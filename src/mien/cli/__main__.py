"""``python -m mien.cli``: the command line."""

from mien.cli.app import main

main()
