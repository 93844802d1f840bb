"""Proof that the plan would hold: its recurring duties (EP-6, EP-8, EP-10.2), each time a row with an owner.

Never touches an incident.
"""
