"""Proof that the plan would hold: the recurring duties of the plan (EP-6, EP-8, EP-10.2), each occurrence a row with an owner.

Never touches an incident.
"""
