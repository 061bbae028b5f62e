"""A Celery application like any other: nothing in it knows of mesos_py. `mesos celery` runs its workers.

SHOP_BROKER=amqp://guest:guest@localhost/shop mesos celery -A celery_shop --max 4 --linger 5
SHOP_BROKER=amqp://guest:guest@localhost/shop python celery_shop.py 200
"""

import os
import sys
import time

from celery import Celery

app = Celery("shop", broker=os.environ.get("SHOP_BROKER", "amqp://guest:guest@localhost/shop"))
app.conf.task_routes = {"celery_shop.film": {"queue": "films"}}


@app.task(acks_late=True)
def picture(_number: int) -> None:
    """Something short, done again if its worker dies."""
    time.sleep(0.05)


@app.task
def film(_number: int) -> None:
    """Something long, for workers of its own."""
    time.sleep(5)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        picture.delay(number)
    film.delay(1)
