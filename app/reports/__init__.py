"""Reports given (EP-5.1, EP-5.2): written ones in versions, what leaves the centre approved first, and those given orally.

What stands in a report is compiled in the incidents' room; who is sent it, and when it is due, is the plan's to say. The room
sends nothing by itself: it writes notices, with the report as their file.
"""
