"""Tests of the audit: a small service that breaks one promise at a time, and our own, which breaks none."""
