"""params.yaml to a checked study, the paths of its files, and what each stage of the pipeline does."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
