"""Behind the door: the supervisor of `gauntlet up`, its parts as data, and one module per verb.

Design sections 1 (the door) and 5 (ports). Start with `up.py`, which puts the pieces together.
"""
