"""One peer at a time: `peers.py ray|dask SIZE...` prints its rates and latencies as a line of JSON."""

import json
import statistics
import sys
import time


def ray(sizes):
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    @ray.remote
    def nothing():
        return time.time()

    def burst(count):
        ray.get([nothing.remote() for _ in range(count)])

    return measure(sizes, burst, lambda: ray.get(nothing.remote()))


def dask(sizes):
    from distributed import Client, LocalCluster

    def nothing(_number):
        return time.time()

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:

        def burst(count):
            client.gather(client.map(nothing, range(count), pure=False))

        return measure(sizes, burst, lambda: client.submit(nothing, 0, pure=False).result())


def measure(sizes, burst, one):
    burst(200)
    rates = {}
    for size in sizes:
        runs = []
        for _ in range(3):
            start = time.perf_counter()
            burst(size)
            runs.append(size / (time.perf_counter() - start))
        rates[size] = statistics.median(runs)
    latencies = []
    for _ in range(300):
        start = time.time()
        latencies.append((one() - start) * 1e3)
    latencies.sort()
    return {"rates": rates, "p50_ms": latencies[150], "p99_ms": latencies[297]}


if __name__ == "__main__":
    print(json.dumps({"ray": ray, "dask": dask}[sys.argv[1]]([int(size) for size in sys.argv[2:]])))
