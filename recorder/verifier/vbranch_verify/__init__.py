"""An independent verifier of vbranch evidence bundles, written from docs/recording-format.md."""

from .checks import verify
from .report import Check, Report

__all__ = ["Check", "Report", "verify"]
