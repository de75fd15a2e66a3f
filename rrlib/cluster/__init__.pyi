from .running import run as run
