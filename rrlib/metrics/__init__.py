"""Class probabilities to robust accuracy, robust ratio and their curves: functions, and torchmetrics metrics.

The functions see all samples at once; the metrics add up over batches and processes. Nothing but torch is imported
until a metric is asked for.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
