"""The four-level response matrix, risk levels and grading (EP-3, EP-4).

Holds what each level demands and how an incident gets its level. Never changes an incident and never tells anybody.
"""
