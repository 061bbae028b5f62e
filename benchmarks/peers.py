"""One peer at a time: `peers.py [--true] ray|dask|celery SIZE...` prints its rates and latencies as a line of JSON.

With `--true` every task runs /bin/true and waits for it; only rates are measured then. Celery needs an AMQP broker,
given as PEERS_BROKER.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

WORKERS = 2
TRUE = ["/bin/true"]


def nothing(_number=0):
    return time.time()


def command(_number=0):
    pid = os.posix_spawn(TRUE[0], TRUE, {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ray(sizes, job):
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    remote = ray.remote(job)

    def burst(count):
        ray.get([remote.remote() for _ in range(count)])

    return measure(sizes, burst, lambda: ray.get(remote.remote()), job)


def dask(sizes, job):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):

        def burst(count):
            client.gather(client.map(job, range(count), pure=False))

        return measure(sizes, burst, lambda: client.submit(job, 0, pure=False).result(), job)


def celery(sizes, job):
    from celery import group

    app, tasks = celery_app()
    task = tasks[job.__name__]
    with tempfile.TemporaryDirectory() as directory:
        worker = subprocess.Popen(
            [sys.executable, __file__, "celery-worker"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=directory,
            env={**os.environ, "C_FORCE_ROOT": "1"},
        )
        try:

            def burst(count):
                group(task.s() for _ in range(count)).apply_async().get(timeout=60)

            return measure(sizes, burst, lambda: task.delay().get(timeout=60), job)
        finally:
            worker.terminate()
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
            app.close()


def celery_app():
    from celery import Celery

    app = Celery("peers", broker=os.environ["PEERS_BROKER"], backend="rpc://")
    app.conf.update(task_ignore_result=False, worker_prefetch_multiplier=64, result_expires=600)
    return app, {job.__name__: app.task(name=f"peers.{job.__name__}")(job) for job in (nothing, command)}


def celery_worker():
    arguments = ["worker", "--concurrency", str(WORKERS), "--loglevel", "ERROR"]
    celery_app()[0].worker_main([*arguments, "--without-gossip", "--without-mingle", "--without-heartbeat"])


def measure(sizes, burst, one, job):
    burst(200)
    rates = {}
    for size in sizes:
        runs = []
        for _ in range(1 if job is command else 3):
            start = time.perf_counter()
            burst(size)
            runs.append(size / (time.perf_counter() - start))
        rates[size] = statistics.median(runs)
    if job is command:
        return {"rates": rates}
    latencies = []
    for _ in range(300):
        start = time.time()
        latencies.append((one() - start) * 1e3)
    latencies.sort()
    return {"rates": rates, "p50_ms": latencies[150], "p99_ms": latencies[297]}


def main(arguments):
    job = nothing
    if arguments == ["celery-worker"]:
        celery_worker()
        return
    if arguments[0] == "--true":
        job = command
        arguments = arguments[1:]
    peer = {"ray": ray, "dask": dask, "celery": celery}[arguments[0]]
    print(json.dumps(peer([int(size) for size in arguments[1:]], job)))


if __name__ == "__main__":
    main(sys.argv[1:])
