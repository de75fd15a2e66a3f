"""Class probabilities to robust accuracy, robust ratio and their curves: functions, and torchmetrics metrics.

The rules judge one sample each, on tensors, arrays and table columns; the functions see all samples at once; the
metrics add up over batches and processes. The rules import no torch, and the functions no torchmetrics.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
