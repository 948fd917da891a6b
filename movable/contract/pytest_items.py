"""A certificate as pytest items: one for each rule of the era."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from movable.contract.certify import Certificate
from movable.contract.report import failure
from movable.contract.verdict import BROKEN, NOT_APPLICABLE, UNPROVEN, WAIVED
from movable.errors import UsageError
from movable.rules.table import ALL_RULES


class RuleBroken(Exception):
    """Carries the story of a broken rule to pytest's report."""


class RuleItem(pytest.Item):
    """The verdict on one rule. Held passes; broken fails; waived is an expected failure; unproven and n/a are skipped."""

    def __init__(self, *, certificate: Certificate, rule: str, **options: Any) -> None:
        super().__init__(**options)
        self.certificate = certificate
        self.rule = rule

    def runtest(self) -> None:
        found = self.certificate.report.verdicts[self.rule]
        level, strict = ALL_RULES[self.rule].level, self.certificate.strict
        if found.verdict == BROKEN:
            story = "\n".join(failure(self.certificate.report, found))
            if level == "must" or strict:
                raise RuleBroken(story)
            pytest.xfail(f"{self.rule} is a {level} rule: {found.what}")
        if found.verdict == WAIVED:
            pytest.xfail(f"waived: {found.reason}")
        if found.verdict == NOT_APPLICABLE:
            pytest.skip(found.reason)
        if found.verdict == UNPROVEN:
            if strict and self.rule in self.certificate.report.untried:
                raise RuleBroken(f"{self.rule} was never exercised; give the workload operations that do")
            pytest.skip("never exercised")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, RuleBroken):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        if self.parent is None or isinstance(self.parent, pytest.Session):  # then the name says which driver
            return self.path, None, self.name
        return self.path, None, f"{self.parent.name}[{self.rule}]"


class SearchItem(pytest.Item):
    """The search itself: fails where a part of it could not be done, or was cut short; then the rules that held mean little."""

    def __init__(self, *, certificate: Certificate, **options: Any) -> None:
        super().__init__(**options)
        self.certificate = certificate

    def runtest(self) -> None:
        report = self.certificate.report
        if report.refused or report.cut:
            raise RuleBroken("\n".join(line for line in (report.refused, report.outcome) if line))
        if report.unexercised and self.certificate.strict:
            raise RuleBroken(report.unexercised)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, RuleBroken) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        if self.parent is None or isinstance(self.parent, pytest.Session):
            return self.path, None, self.name
        return self.path, None, f"{self.parent.name}[search]"


class Unusable(pytest.Item):
    """Fails for a driver that is installed and cannot be loaded."""

    def __init__(self, *, problem: str, **options: Any) -> None:
        super().__init__(**options)
        self.problem = problem

    def runtest(self) -> None:
        raise RuleBroken(self.problem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class CertificateCollector(pytest.Collector):
    """A module-level ``test_... = certify(...)``."""

    def __init__(self, *, certificate: Certificate, **options: Any) -> None:
        super().__init__(**options)
        self.certificate = certificate

    def collect(self) -> Iterator[pytest.Item]:
        try:
            self.certificate.look()
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        yield from rule_items(self, self.certificate)


def rule_items(parent: pytest.Collector, certificate: Certificate, prefix: str = "") -> Iterator[pytest.Item]:
    """One item for the search, and one for each rule that holds in the certificate's era."""
    yield SearchItem.from_parent(parent, name=f"{prefix}search", certificate=certificate)
    for id, rule in certificate.rules.items():
        if certificate.era in rule.eras:
            yield RuleItem.from_parent(parent, name=f"{prefix}{id}", certificate=certificate, rule=id)
