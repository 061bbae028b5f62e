"""ZooKeeper through kazoo: a session, the election of a leader, and the registry; nothing else imports kazoo."""
