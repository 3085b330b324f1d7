"""Roo Code (and IBM Bob): ``globalStorage/rooveterinaryinc.roo-cline/tasks/<uuid>/``, in the grammar of Cline's tasks (`cline.tasks`).

``history_item.json`` in the folder names the task that called this one. Condensing deletes nothing.
"""

from __future__ import annotations

from .cline import variant
from .declaration import Location

NAME = "roo-code"
FORMAT = variant(
    NAME,
    "Roo Code, IBM Bob",
    "rooveterinaryinc.roo-cline",
    Location("$CONFIG/IBM Bob/User/globalStorage", "ibm.bob-code/tasks"),
    Location("$CONFIG/Bob-IDE/User/globalStorage", "ibm.bob-code/tasks"),
)
