"""Parties outside (EP-2.4, EP-5.2, EP-7.1.2): departments, suppliers and partners, what they are asked, and what they answer.

They have no account: a link opens one request and shows what was shared in it, and nothing else of the incident. Knows the
incident and the pools; never tells anybody of ours, which follows in `reactions`.
"""
