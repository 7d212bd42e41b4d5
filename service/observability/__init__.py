"""Layer 5: what the service tells about itself. Read ``logs.py``, then ``pii.py``."""
