"""What teaches: walkthroughs as notebooks, exercises graded by behaviour, pitfalls before and after (DESIGN section 1).

It may import the door, and else speaks HTTP to what the others run. Read `00_tour.py` first; `grader/` judges what
stands in `exercises/`, `pitfalls/` holds the chapter's seven.
"""
