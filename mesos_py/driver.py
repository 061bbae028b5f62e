"""SchedulerDriver and ExecutorDriver: callbacks over the cores."""
