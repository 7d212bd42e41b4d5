"""The operations checklist as an audit from outside, of any service with a chat endpoint (chapter, section 7).

report = await audit(Shape(service="http://127.0.0.1:8000", simulator="http://127.0.0.1:8100"), Options())

Each of the ten items is a probe that tries on purpose to break its promise, and looks where the service cannot lie: at
its answers, at the provider's ledger, at what it logged and stored. Read `claims.py` next: the three verdicts.
"""

from loadtests.audit.auditor import Options, audit
from loadtests.audit.claims import Verdict
from loadtests.audit.report import Report
from loadtests.audit.shape import Shape, ShapeError

__all__ = ["Options", "Report", "Shape", "ShapeError", "Verdict", "audit"]
