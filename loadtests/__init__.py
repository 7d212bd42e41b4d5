"""What stresses the service: provider simulator, fault timelines, load and experiments (DESIGN sections 1 and 5).

Nothing here imports the service: it is reached over HTTP only. Read `simulator/__init__.py` next.
"""
