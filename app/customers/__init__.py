"""Customers: what the public is shown of announcements, where else they go, and what customers say back (EP-7.1.2, EP-7.3, EG-3).

The words of announcements and their life are `incidents.announcements`; here is what leaves of them. The public page
stands by itself (`board`, `page`, `serving`, `public`): it reads published words to customers, and nothing else of an incident.
"""
