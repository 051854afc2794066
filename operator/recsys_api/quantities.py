"""Amounts as Kubernetes writes them: "500m" of a core, 4Gi of memory."""

import re
from decimal import Decimal

_EXPONENTS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def amount_of(quantity: str | int) -> Decimal:
    """The number that a quantity stands for; it must be one (`patterns.QUANTITY`)."""
    number, unit = str(quantity).removeprefix("+"), ""
    if found := re.fullmatch(r"([0-9.]+)([numkMGTPE]|[KMGTPE]i)", number):
        number, unit = found[1], found[2]
    if unit.endswith("i"):
        return Decimal(number) * Decimal(1024) ** (1 + "KMGTPE".index(unit[0]))
    return Decimal(number).scaleb(_EXPONENTS.get(unit, 0))
