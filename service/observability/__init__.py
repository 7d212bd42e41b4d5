"""Layer 5: what the service tells about itself. Today the logs; read ``logs.py``."""
