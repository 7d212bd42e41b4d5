"""Layer 2: the providers behind one protocol. Read ``provider.py`` first."""
