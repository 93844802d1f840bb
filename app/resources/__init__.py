"""Pools of people, materials and technology: request, reserve, substitute, release, ledger (EP-6).

A reservation is all or nothing and never more than there is. Hears of a reference, never of incidents.
"""
