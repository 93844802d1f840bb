"""Hindsight: the review drafted from the timeline, its figures, improvement items (EP-4.2.5, EP-9).

Reads everything that happened; changes nothing of it.
"""
