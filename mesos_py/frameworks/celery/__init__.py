"""`mesos celery`: as many workers of a Celery application as its queues need, and none when they need none."""
