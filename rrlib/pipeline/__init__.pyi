from .stages import Pipeline as Pipeline
from .stages import confirm as confirm
from .stages import touches as touches
