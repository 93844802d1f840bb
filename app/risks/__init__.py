"""The register of risks and their assessment, by record, by several people or by both (EP-3).

Reads what was recorded of incidents; changes one only through its lifecycle. Never sends anything.
"""
