from .all import add as add
from .options import add_study as add_study
from .options import place as place
