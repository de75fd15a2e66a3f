from .all import add as add
