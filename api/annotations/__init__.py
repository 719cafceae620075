"""Notes on the time axis: what somebody says happened then, such as a release."""
