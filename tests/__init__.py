"""Tests mirror the folders; each test's name is a sentence."""
