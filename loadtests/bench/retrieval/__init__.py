"""What retrieval is worth and what it costs: how often the right passage is found, and how much time a search adds.

`questions.toml` has questions with the passages that answer them. Read `quality.py` next, then `added.py`.
"""
