"""What becomes of jobs, told as a story to the core."""

import msgspec
import pytest

from mesos_py.frameworks.batch.config import BatchConfig
from mesos_py.frameworks.batch.core import Batch
from mesos_py.frameworks.batch.endings import Outcome
from mesos_py.frameworks.batch.events import (
    Account,
    Agent,
    AgentsSeen,
    Answer,
    Asked,
    KillShare,
    Launch,
    OffersCame,
    Refuse,
    ShareChanged,
    WantOffers,
)
from mesos_py.frameworks.batch.jobs import LEAST, Book, JobState, Queue, chunk_of
from mesos_py.frameworks.batch.requests import Delete, Hold, JobRequest, ListJobs, Release
from mesos_py.testing.builders import a_status, an_offer
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason, TaskState

AGENTS = ("A1", "A2", "A3")


class Story:
    def __init__(self, book=None, **queue):
        self.batch = Batch(BatchConfig(queues={"batch": Queue(**queue)}), book or Book())
        self.now, self._number = 0.0, 0
        seen = {
            agent: Agent(hostname=agent, resources=Resources.parse("cpus:4;mem:4000"), used=Resources())
            for agent in AGENTS
        }
        self.tell(AgentsSeen(agents=seen))

    def tell(self, event):
        self.now += 1.0
        return self.batch.handle(event, self.now)

    def ask(self, request, user="ann", is_operator=False):
        effects = self.tell(Asked(request=request, user=user, is_operator=is_operator))
        (answer,) = [effect for effect in effects if isinstance(effect, Answer | Refuse)]
        return answer.value if isinstance(answer, Answer) else answer.why

    def submit(self, user="ann", **fields):
        return self.ask(JobRequest(script="true", name="n", work_dir="/w", **fields), user)

    def offer(self, *agents):
        """The shares that are launched on all of these agents, by job."""
        offers = []
        for agent in agents:
            self._number += 1
            offers.append(an_offer(f"O{self._number}", "cpus:4;mem:4000;ports:[1-9]", agent_id=agent, hostname=agent))
        effects = self.tell(OffersCame(offers=offers))
        return [job.job_id for effect in effects if isinstance(effect, Launch) for job, _ in effect.shares]

    def end(self, job_id, state=TaskState.FINISHED, place=0, reason=None, **outcome):
        share = self.job(job_id).shares[place]
        data = msgspec.json.encode(Outcome(**outcome)) if outcome else b""
        return self.tell(ShareChanged(status=a_status(share.task_id, state, data=data, reason=reason)))

    def job(self, job_id):
        return self.batch.book.jobs[job_id]


def test_a_gang_starts_on_all_its_nodes_or_waits():
    story = Story()
    story.submit(nodes=3, ppn=4)
    assert story.offer("A1", "A2") == []
    assert story.job("1").state is JobState.QUEUED
    assert story.offer("A3") == ["1", "1", "1"]
    assert story.job("1").state is JobState.RUNNING


def test_the_end_of_the_script_is_that_of_the_job():
    story = Story()
    story.submit(nodes=2, ppn=4)
    story.offer(*AGENTS)
    effects = story.end("1", TaskState.FAILED, exit_status=3)
    assert [effect.task_id for effect in effects if isinstance(effect, KillShare)] == ["1.0.1"]
    assert story.job("1").state is JobState.EXITING
    effects = story.end("1", TaskState.KILLED, place=1)
    assert (story.job("1").state, story.job("1").exit_status) == (JobState.COMPLETED, 3)
    assert [effect.kind for effect in effects if isinstance(effect, Account)] == ["E"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (TaskState.GONE, None),
        (TaskState.DROPPED, None),
        (TaskState.UNKNOWN, None),
        (TaskState.KILLED, Reason.AGENT_DRAINING),
    ],
)
@pytest.mark.parametrize("rerunnable", [True, False])
def test_a_lost_node_starts_the_job_again_if_it_may_be(state, reason, rerunnable):
    story = Story()
    story.submit(nodes=2, ppn=4, rerunnable=rerunnable)
    story.offer(*AGENTS)
    story.end("1", state, place=1, reason=reason)
    assert story.job("1").state is JobState.EXITING
    story.end("1", TaskState.KILLED, exit_status=271)
    if rerunnable:
        assert (story.job("1").state, story.job("1").attempt) == (JobState.QUEUED, 1)
        assert story.offer(*AGENTS) == ["1", "1"]
        assert story.job("1").shares[0].task_id == "1.1.0"
    else:
        assert (story.job("1").state, story.job("1").exit_status) == (JobState.COMPLETED, 271)


def test_a_job_that_fails_to_start_rests_longer_each_time_and_tries_other_ports():
    story = Story()
    story.submit()
    ports = set()
    for attempt in range(8):
        assert story.offer("A1") == ["1"]
        ports.add(story.job("1").shares[0].port)
        story.end("1", TaskState.FAILED, exit_status=-1, lost=True)
        due = story.now + min(60.0, 2.0**attempt)
        assert story.batch.next_deadline() == due
        if attempt:
            assert story.offer("A1") == []
        story.now = due
    assert len(ports) == 8


def test_a_job_whose_script_may_still_run_is_not_started_again():
    story = Story()
    story.submit()
    story.offer("A1")
    story.end("1", TaskState.UNREACHABLE)
    assert (story.job("1").state, story.job("1").comment) == (JobState.RUNNING, "A1 is not reached")
    story.end("1", TaskState.RUNNING)
    assert story.job("1").comment == ""
    story.end("1", exit_status=0)
    assert story.job("1").exit_status == 0


def test_users_touch_only_their_own_jobs():
    story = Story()
    story.submit()
    for request in (Delete(jobs=["1"]), Hold(jobs=["1"]), Release(jobs=["1"])):
        assert story.ask(request, "bob") == "job 1 belongs to ann, not to bob"
    assert story.job("1").state is JobState.QUEUED
    assert story.ask(Delete(jobs=["1"]), "root", is_operator=True) is None
    assert (story.job("1").state, story.job("1").exit_status) == (JobState.COMPLETED, 271)
    assert story.ask(Delete(jobs=["1"])) == "job 1 has ended"
    assert story.ask(ListJobs(jobs=["7"])) == "unknown job 7"


def test_limits_of_a_queue():
    story = Story(max_nodes=2, max_walltime_s=7200, max_user_running=1, max_user_queued=2)
    assert story.submit(nodes=3) == "3 nodes are wanted; queue batch gives 2 at most"
    assert story.submit(walltime_s=9000) == "walltime 02:30:00 is wanted; queue batch gives 02:00:00 at most"
    story.submit()
    story.submit()
    assert story.submit() == "queue batch takes 2 jobs of one user at most"
    assert story.offer(*AGENTS) == ["1"]


def test_users_take_turns():
    story = Story()
    for _ in range(3):
        story.submit("ann", nodes=3, ppn=4)
    story.submit("bob", nodes=3, ppn=4)
    assert set(story.offer(*AGENTS)) == {"1"}
    for place in range(3):
        story.end("1", **({"exit_status": 0} if place == 0 else {}), place=place)
    assert set(story.offer(*AGENTS)) == {"4"}


def test_a_book_that_was_written_goes_on():
    story = Story()
    story.submit()
    story.offer("A1")
    book = msgspec.json.decode(msgspec.json.encode(story.batch.book), type=Book)
    later = Story(book)
    assert later.batch.live_tasks() == ["1.0.0"]
    later.end("1", exit_status=4, state=TaskState.FAILED)
    assert later.job("1").exit_status == 4


def test_more_than_the_cluster_has():
    story = Story()
    why = "nodes=4:ppn=4 with 512 MB each is more than the cluster has: 3 such nodes fit on its 3 agents"
    assert story.submit(nodes=4, ppn=4) == why


def test_what_others_use_is_asked_for_and_taken_when_it_is_offered():
    story = Story()
    used = Resources.parse("cpus:4;mem:400")
    seen = {a: Agent(hostname=a, resources=Resources.parse("cpus:4;mem:4000"), used=used) for a in AGENTS}
    story.tell(AgentsSeen(agents=seen))
    request = JobRequest(script="true", name="n", work_dir="/w")
    assert WantOffers(wanted=True) in story.tell(Asked(request=request, user="ann", is_operator=False))
    story.submit(nodes=2, ppn=4)
    assert story.offer("A2") == ["1"]
    assert story.offer("A1") == []  # held for the wide one
    assert story.offer("A3") == ["2", "2"]


def test_who_waits_for_his_own_jobs_asks_for_nothing():
    story = Story()
    story.submit(nodes=3, ppn=4)
    assert story.offer(*AGENTS) == ["1", "1", "1"]
    story.tell(AgentsSeen(agents=story.batch.agents))
    request = JobRequest(script="true", name="n", work_dir="/w", nodes=3, ppn=4)
    effects = story.tell(Asked(request=request, user="ann", is_operator=False))
    assert WantOffers(wanted=True) not in effects


def test_the_offers_that_are_asked_for_hold_what_the_smallest_job_needs():
    assert chunk_of(nodes=1, ppn=1, mem_mb=0).contains(LEAST)
