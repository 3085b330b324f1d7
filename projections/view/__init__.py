"""One session as a person or a model needs it: the view, the messages to send on, what of it is worth learning from."""
