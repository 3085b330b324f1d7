"""A class for each reason to refuse a request, around any ASGI application. What is refused says why, and which option allows it.

From the outside in: `access_log`, `safe_headers`, `hosts`, `origins`, `tokens`, `bodies`."""
