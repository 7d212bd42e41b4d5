"""Tests of what stresses the service."""
