"""What a hundred clients that look at `/state` cost a master: `python -m benchmarks.readers [--clients N]`.

Bursts of tasks that run nothing, as in launch_rate, in turns with nobody looking and with all clients looking; a ratio
for each pair. Each client has a connection of its own and asks again some time after its last answer. They are a
process of their own on the same cores: what that takes from the others is in the figures, so the master's own CPU time
is told too. Aim: launches take less than 5 % longer.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator

from benchmarks.launch_rate import AGENTS, RESOURCES, Driver
from benchmarks.support import cpu_s, emulator, free_port, machine, master, median, private_broker, process, table

CLIENTS = 100
PAUSES_S = (10.0, 5.0, 1.0)
"""Between an answer and the next question."""


@contextlib.contextmanager
def looking(url: str, clients: int, pause_s: float, encoding: str) -> Iterator[None]:
    """All clients look while the block runs."""
    flags = ("--url", url, "--clients", str(clients), "--pauses", str(pause_s), "--encoding", encoding)
    with process("benchmarks.readers", *flags):
        yield


async def look(url: str, clients: int, pause_s: float, encoding: str) -> None:
    """Ask until TERM comes; then print how often an answer came."""
    answers = 0
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)

    async def client(number: int) -> None:
        nonlocal answers
        await asyncio.sleep(pause_s * number / clients)
        host, _, port = url.removeprefix("http://").partition(":")
        request = f"GET /state HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        while True:  # by hand, as a library for HTTP would take several times as much of the cores
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200 "):
                raise SystemExit(head.decode())
            await reader.readexactly(int(head.partition(b"content-length:")[2].split(maxsplit=1)[0]))
            answers += 1
            await asyncio.sleep(pause_s)

    began = time.monotonic()
    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    ended = asyncio.create_task(stopped.wait())
    await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
        if task.done() and not task.cancelled():
            task.result()
    print(f"  {answers / (time.monotonic() - began):.0f} answers/s", file=sys.stderr)


def measure(clients: int, pauses_s: list[float], tasks: int, rounds: int, encoding: str) -> list[list[str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    rows = []
    with (
        private_broker() as broker,
        master(broker.url(), "--http-port", str(port)) as leader,
        emulator(broker.url(), AGENTS, RESOURCES),
    ):
        driver = Driver(broker.url())
        costs: list[tuple[float, float]] = []

        def burst():
            before, start = cpu_s(leader.pid), time.perf_counter()
            yield tasks, 0
            costs.append((time.perf_counter() - start, cpu_s(leader.pid) - before))

        def plan():
            yield 500, 0
            for pause_s in pauses_s:
                costs.clear()
                for _ in range(rounds):
                    yield from burst()
                    with looking(url, clients, pause_s, encoding):
                        yield 1, 3.0  # until the clients have started
                        yield from burst()
                alone, watched = costs[::2], costs[1::2]
                slower = [b[0] / a[0] for a, b in zip(alone, watched, strict=True)]
                busier = [b[1] / a[1] for a, b in zip(alone, watched, strict=True)]
                rows.append(
                    [f"{clients}, each {pause_s:g} s after its last answer"]
                    + [f"{tasks / median([cost[0] for cost in some]):,.0f}" for some in (alone, watched)]
                    + [f"{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]" for ratios in (slower, busier)]
                )

        driver.run(plan())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--pauses", type=float, nargs="+", default=PAUSES_S)
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoding", choices=["gzip", "identity"], default="gzip", help="which clients accept")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        asyncio.run(look(options.url, options.clients, options.pauses[0], options.encoding))
        return
    print(machine())
    rows = measure(options.clients, options.pauses, options.tasks, options.rounds, options.encoding)
    head = ["clients", "tasks/s alone", "tasks/s watched", "time, watched/alone", "CPU of the master, watched/alone"]
    table("A master that is looked at", head, rows)


if __name__ == "__main__":
    main()
