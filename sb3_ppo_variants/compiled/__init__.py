"""The update and the policy's actions as native code, from the same Python as the eager loop runs."""
