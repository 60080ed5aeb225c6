"""Reports: from many comments, a chat or a folder of pictures to one page, and the figures behind it.

::

    survey.py    one look at the rows: groups, times     reporter.py  counts, result by result
    figures.py   shares, intervals, differences          report.py    Report: the document and its files
    page.py      the page                                sheets.py    the Excel workbook
"""

from mien.reporting.report import Report, check_target, make_report
from mien.reporting.survey import Survey, split_over

__all__ = ["Report", "Survey", "check_target", "make_report", "split_over"]
