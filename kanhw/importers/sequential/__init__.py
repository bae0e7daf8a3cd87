"""Networks of several kinds of modules, listed in order under ``modules`` (nn.Sequential).

Every entry of the list is an object with a ``type``, one of :data:`TYPES`, and what the checkpoint
does not hold, such as a stride; what the checkpoint does hold, such as ``in_channels``, may be
there too and is checked. The tensors of an entry are looked for under its number in the list, or
under its ``name``. A ``config.json``::

    {"input_shape": [1, 8, 8],
     "modules": [{"type": "kagn_conv2d", "stride": 1, "padding": 1, "norm": "batch"},
                 {"type": "adaptive_avg_pool2d", "output_size": 1},
                 {"type": "flatten"},
                 {"type": "linear"}]}
"""

from kanhw.importers.sequential.module_list import inherited, module_list
from kanhw.importers.sequential.module_types import TYPES
from kanhw.importers.sequential.network import OPTIONS, build, matches

__all__ = ["OPTIONS", "TYPES", "build", "inherited", "matches", "module_list"]
