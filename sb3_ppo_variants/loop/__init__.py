"""One update of the policy: the training loop that every host shares."""
