"""Muster: the emergency plan of a customer service centre, running as a program."""
