from . import book as book
from . import figure1 as figure1
from . import figures as figures
from . import findings as findings
from . import notebooks as notebooks
from . import pages as pages
from . import pictures as pictures
from . import provenance as provenance
