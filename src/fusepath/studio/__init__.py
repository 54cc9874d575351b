"""The page about a plan, live, from a small server on this machine. The only home of HTTP pages."""

from fusepath.studio.desk import Answer, Depth, Desk
from fusepath.studio.question import Question
from fusepath.studio.recent_models import HeldModel, RecentModels

__all__ = ["Answer", "Depth", "Desk", "HeldModel", "Question", "RecentModels"]
