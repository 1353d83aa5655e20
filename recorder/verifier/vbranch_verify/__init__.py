"""An independent verifier of vbranch evidence bundles, after docs/recording-format.md."""

from .checks import verify
from .report import Check, Report

__all__ = ["Check", "Report", "verify"]
