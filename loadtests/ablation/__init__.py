"""What a stage is worth: the same incident with the same arrivals, once with everything and once without it.

Read `variants.py` next: what is compared. `door/ablate.py` runs it.
"""

from loadtests.ablation.variants import ORDERS, USUAL_OFF, Variant, chosen
from loadtests.ablation.worth import HEADERS, Row, rows, sentences

__all__ = ["HEADERS", "ORDERS", "USUAL_OFF", "Row", "Variant", "chosen", "rows", "sentences"]
