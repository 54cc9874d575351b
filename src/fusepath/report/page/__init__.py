"""A plan or a run as one self-contained page: where each path runs, when, and what bounds it."""

from fusepath.report.page.page import report_page
from fusepath.report.page.rates import RateCurves, curves_of_book, curves_of_plan
from fusepath.report.page.story import Story

__all__ = ["RateCurves", "Story", "curves_of_book", "curves_of_plan", "report_page"]
