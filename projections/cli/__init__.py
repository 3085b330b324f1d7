"""The read side's commands. How a command is made stands in ``eventlog/cli/__init__.py``."""
