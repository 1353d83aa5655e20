"""What was checked and what came of it, in the shape `vbranch verify --json` prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .errors import Wrong


@dataclass(frozen=True)
class Check:
    """One check: what kind, of what, and what came of it: `pass`, `fail` or `skipped`."""

    check: str
    subject: str
    outcome: str
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        line = {"check": self.check, "subject": self.subject, "outcome": self.outcome}
        return {**line, "detail": self.detail} if self.detail else line

    def as_line(self) -> str:
        word = {"pass": "ok  ", "fail": "FAIL", "skipped": "skip"}[self.outcome]
        detail = f": {self.detail}" if self.detail else ""
        return f"{word}  {self.check:<10} {self.subject}{detail}"


@dataclass
class Report:
    """All checks of a bundle, in their order."""

    recording: str | None = None
    checks: list[Check] = field(default_factory=list)

    @contextmanager
    def check(self, check: str, subject: str) -> Iterator[None]:
        """Notes a check: failed when the block raises, else passed."""
        try:
            yield
        except Wrong as wrong:
            self.fail(check, subject, str(wrong))
        except OSError as error:
            self.fail(check, subject, f"cannot be read: {error.strerror}")
        else:
            self.passed(check, subject)

    def passed(self, check: str, subject: str) -> None:
        self.checks.append(Check(check, subject, "pass"))

    def fail(self, check: str, subject: str, detail: str) -> None:
        self.checks.append(Check(check, subject, "fail", detail))

    def skip(self, check: str, subject: str, detail: str) -> None:
        self.checks.append(Check(check, subject, "skipped", detail))

    @property
    def failures(self) -> list[Check]:
        return [check for check in self.checks if check.outcome == "fail"]

    @property
    def ok(self) -> bool:
        return bool(self.checks) and not self.failures

    @property
    def first_failure(self) -> str | None:
        failures = self.failures
        return f"{failures[0].subject} {failures[0].detail}" if failures else None

    def as_json(self) -> dict[str, object]:
        return {
            "ok": self.ok,
            "recording": self.recording,
            "first_failure": self.first_failure,
            "failures": len(self.failures),
            "checks": [check.as_json() for check in self.checks],
        }
