"""One machine: segments as files in a store's folder, and everything that knows a path or a lock. `backend` is the way in."""
