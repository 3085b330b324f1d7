"""The MCP face: the tools of `projections.operations`, and resources and prompts beside them, for any agent. Needs the extra ``mcp``.

It translates and has no opinion: names, schemas, bounds and what may be written are the table's. Only `eventlog mcp` loads this.
"""
