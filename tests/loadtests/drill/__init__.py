"""Drills: incidents, lines, objective, score, coach, debrief."""
