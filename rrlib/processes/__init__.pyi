from .command import Ended as Ended
from .command import Killed as Killed
from .command import end_all as end_all
from .command import run as run
from .command import warm as warm
