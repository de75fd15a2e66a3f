from .attacks import sweep as sweep
from .errors import InputError as InputError
from .evaluation import evaluate as evaluate
from .metrics import RobustAccuracy as RobustAccuracy
from .metrics import RobustRatio as RobustRatio
from .metrics import probability_shift as probability_shift
from .metrics import robust_accuracy as robust_accuracy
from .metrics import robust_ratio as robust_ratio
from .metrics import robust_ratio_curve as robust_ratio_curve
from .metrics import stability as stability

__version__: str
