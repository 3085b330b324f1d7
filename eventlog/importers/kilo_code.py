"""Kilo Code: ``globalStorage/kilocode.kilo-code/tasks/<uuid>/``, in the grammar of Cline's tasks (`cline.tasks`)."""

from __future__ import annotations

from .cline import variant

NAME = "kilo-code"
FORMAT = variant(NAME, "Kilo Code", "kilocode.kilo-code")
