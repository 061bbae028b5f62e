"""Several faults in a row and at once, by seed: MESOS_CHAOS_SEED replays one, MESOS_CHAOS_STEPS makes it longer."""

import os
import random
import secrets
import time

import pytest

from tests.chaos.faults import FAULTS

SEED = int(os.environ.get("MESOS_CHAOS_SEED") or secrets.randbelow(10**6))
STEPS = int(os.environ.get("MESOS_CHAOS_STEPS") or 6)

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(120 + 60 * STEPS)]


def test_faults_by_seed(site, tmp_path, measured):
    print(f"MESOS_CHAOS_SEED={SEED} MESOS_CHAOS_STEPS={STEPS}")
    draw = random.Random(SEED)
    with site.under_load(tmp_path) as loads, measured(f"{STEPS} times faults by seed {SEED}", loads):
        for step in range(STEPS):
            faults = draw.sample(list(FAULTS.values()), draw.choice([1, 2, 2, 3]))
            seconds = draw.uniform(0, 4)
            print(f"step {step}: {', '.join(fault.name for fault in faults)}, for {seconds:.1f} s")
            for fault in faults:
                fault.strike(site, loads)
            began = time.monotonic()
            site.hold(seconds)
            site.mend()
            loads.mend()
            print(f"mended after {time.monotonic() - began:.1f} s")
            site.wait_whole()
            print(f"whole after {time.monotonic() - began:.1f} s")
            loads.wait_progress()
            print(f"the load gets on after {time.monotonic() - began:.1f} s")
