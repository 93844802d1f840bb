"""The organisation: layers, departments, positions, persons, contact points, rosters (EP-2, OR-1).

Answers who holds a position at a moment and how they are reached. Never sends anything.
"""
