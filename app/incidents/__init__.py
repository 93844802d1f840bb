"""The record of an incident: lifecycle, timeline, facts, command post, tasks, decisions, updates owed, reports (EP-4, EP-5.1).

Tells nobody and runs nothing: what follows from a change is written to the outbox. Never hears of playbooks, pools or channels.
"""
