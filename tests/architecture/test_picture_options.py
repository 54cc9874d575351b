"""What the command line says of pictures is what the library knows."""

from __future__ import annotations

from fusepath.cli.picture_options import FILTERS, FITS
from fusepath.plan import Filter, Fit


def test_fits_and_filters_of_the_command_line_are_those_of_the_library():
    assert list(FITS) == [item.value for item in Fit]
    assert list(FILTERS) == [item.value for item in Filter]
