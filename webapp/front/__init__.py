"""What stands before the threads: a request arrives whole, within limits of time and bytes, before one is taken."""
