"""A Celery application like any other: nothing in it knows of mesos_py. `mesos celery` runs its workers.

mesos celery -A celery_shop --queues celery:max=4,cpus=0.5 --queues films:max=2,mem=512 --linger 5
python -c 'import celery_shop; celery_shop.fill(pictures=1000, films=3)'
"""

import os
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


def fill(pictures: int, films: int) -> None:
    """Send tasks, as the application's web server would."""
    for number in range(pictures):
        picture.delay(number)
    for number in range(films):
        film.delay(number)
