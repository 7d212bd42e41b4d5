"""Tests of the provider simulator; most talk to one real process over HTTP."""
