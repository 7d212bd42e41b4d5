"""`from gauntlet import workbench`: the whole stack in a notebook's hand (DESIGN section 1).

    with workbench() as lab:
        lab.keep()              # over all cells, until the kernel ends

    lab.ask("what is jitter?")

A `Lab` asks as people do (`asking.py`), turns the providers' faults and reads their ledger (`rig.py`), turns the
service's stages (`turning.py`), breaks what it runs on (`breaking.py`), and asks the collector in SQL (`told.py`). It
speaks HTTP alone. Read `lab.py` next: how it begins, lives over cells, and ends.
"""

from door.lab.answer import Answer, Answers
from door.lab.lab import Lab, workbench
from door.lab.streamed import Streamed

__all__ = ["Answer", "Answers", "Lab", "Streamed", "workbench"]
