"""Framework and Executor: an author's callbacks over the cores."""
