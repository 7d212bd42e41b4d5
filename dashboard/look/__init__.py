"""How everything looks: colours, words for terms, tiles, what a page says when there is nothing. Read `palette.py`."""
