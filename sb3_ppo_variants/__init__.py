"""PPO variants for Stable-Baselines3: any limit on the policy update, as drop-in classes."""

from importlib.metadata import version

import lazy_loader

# The names are in __init__.pyi. So ppo-bench answers --help, mistakes and Ctrl-C before torch is imported.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version("sb3-ppo-variants")
