from . import guardrails as guardrails
from . import intervals as intervals
from . import linearity as linearity
from . import recorded as recorded
from . import summary as summary
from .guardrails import abstention as abstention
from .guardrails import alike_in_ra_apart_in_rr as alike_in_ra_apart_in_rr
from .guardrails import compare as compare
