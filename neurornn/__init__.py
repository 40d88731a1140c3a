"""neurornn: train recurrent networks on the tasks that animals do, and compare them with recordings.

The public names are listed in `__init__.pyi`, grouped by concept, and loaded when they are first used: importing the
package, or asking a command for help, loads neither torch nor anything that reads files.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
