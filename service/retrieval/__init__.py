"""Layer 3, retrieval: what the model is given to answer from.

A route with ``retrieval = true`` searches the corpus by words and by vectors, fuses both, reranks, and gives the best
passages to the model as numbered sources. Every part of it may fail by itself, and then less is found and the answer
says so. ``retrieve.py`` is the file to read first; it leads to ``embeddings.py`` and ``rerank.py`` (calls over HTTP),
``index.py`` (Qdrant), ``corpus.py`` (what there is to find) and ``passages.py`` (from Markdown).
"""
