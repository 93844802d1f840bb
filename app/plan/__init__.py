"""The plan document as a whole: load, revisions, check (EP-9.3, EP-10.3)."""
