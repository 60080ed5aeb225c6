"""The command line."""

from mien.cli.app import main as main
