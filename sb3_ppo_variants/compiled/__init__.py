"""The update and the rollout in native code, from the same Python as eager mode; imported only by ``compile``."""
