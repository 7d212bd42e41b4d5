"""Who sends no key is given one, and so pays at each click."""

CHANGES = (
    (
        ('            return Response(400, {"error": "send an Idempotency-Key that you keep for this payment"})'),
        "            key = uuid.uuid4().hex",
    ),
)
