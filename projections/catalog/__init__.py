"""All sessions: as a list, in numbers, by their tools, by their words. `facade` is the way in."""
