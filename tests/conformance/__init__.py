"""Recorded runs that every engine of this project must reproduce; see README.md."""
