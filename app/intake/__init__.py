"""Intake: what monitoring says, turned into signals, and signals into a new or an existing incident.

Each sender's format is read by one file under `sources`; `kinds` lists them. This room keeps what it was
sent, also what it could not understand. It never decides how grave an incident is (that is `levels`) and
never tells anybody (`notify`).
"""
