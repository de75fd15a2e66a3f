from .make import make as make
from .remainder import write as write
from .text import Plan as Plan
from .text import lines as lines
