"""A host that will never come back: the others forget it, and work on; another is made what it was."""

from shared.clusters import agents, fault, is_whole, leader_of, readiness, run_on_each, start_job, task_processes
from shared.hosts import done, mesos, until
from shared.plays import play

TASK = "sleep 86391"
OURS = "/opt/mesos /etc/mesos /var/lib/mesos /var/lib/zookeeper/myid /var/lib/zookeeper/version-2"


def answers(host):
    try:
        return host.run("true").rc == 0
    except RuntimeError:  # Testinfra's for a host that cannot be reached
        return False


def test_a_host_will_never_come_back(hosts):
    rest = {name: hosts[name] for name in ("node1", "node2")}
    operator = hosts["node1"]
    until(lambda: is_whole(hosts))
    lost_id = agents(operator)["node3"]["agent_id"]
    start_job(operator, "last", "--instances", "2", "--constraint", "@hostname:LIKE:node[12]", "--", *TASK.split())
    until(lambda: sum(len(task_processes(host, TASK)) for host in rest.values()) == 2)
    before = {name: task_processes(host, TASK) for name, host in rest.items()}
    fault("kill", "node3")
    until(lambda: leader_of(rest) is not None)
    until(lambda: all(readiness(host, "agent").startswith("registered") for host in rest.values()))

    code, said = play("playbooks/remove_agents.yml", "-e", "agents=node3", "-e", "lost=true")
    assert code == 0, said
    assert set(agents(operator)) == {"node1", "node2"}
    assert "agent-node3" not in done(operator, "rabbitmqctl --quiet list_users --no-table-headers")
    mesos(operator, "run", "--user", "nobody", "--cpus", "0.1", "--mem", "32", "--", "true")

    fault("start", "node3")  # with Debian's packages; it has nothing of ours any more
    until(lambda: answers(hosts["node3"]))
    done(hosts["node3"], f"systemctl stop mesos-agent mesos-tasks mesos-master zookeeper; rm -r {OURS}")
    code, said = play("playbooks/site.yml")
    assert code == 0, said
    until(lambda: is_whole(hosts))
    assert agents(operator)["node3"]["agent_id"] != lost_id
    run_on_each(operator, "true")
    assert {name: task_processes(host, TASK) for name, host in rest.items()} == before
