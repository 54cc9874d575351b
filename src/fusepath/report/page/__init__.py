"""A plan or a run as one self-contained page: where each path runs, when, and what bounds it."""

from fusepath.report.page.figure import figure
from fusepath.report.page.page import asset, report_page
from fusepath.report.page.rates import RateCurves, curves_of_book, curves_of_plan
from fusepath.report.page.sections import drawings, headline, sections, told
from fusepath.report.page.story import Story

__all__ = [
    "RateCurves",
    "Story",
    "asset",
    "curves_of_book",
    "curves_of_plan",
    "drawings",
    "figure",
    "headline",
    "report_page",
    "sections",
    "told",
]
