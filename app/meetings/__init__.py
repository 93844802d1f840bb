"""Meetings of an incident (EP-5.3): called with a calendar file, moved, cancelled, minuted.

Knows the incident, people and parties outside. Keeps nobody's calendar: whoever is invited has one of their own.
"""
