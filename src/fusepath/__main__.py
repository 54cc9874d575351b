"""``python -m fusepath`` is the ``fusepath`` command."""

from fusepath.cli.main import entry

entry()
