"""An agent process: the core, joined to broker, containers, executors and HTTP API."""

import os
import random
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesos_py import __version__
from mesos_py.adapters import topology
from mesos_py.adapters.amqp import connect
from mesos_py.adapters.detection import detect_hostname, detect_resources
from mesos_py.agent import effects, events
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.core import Agent
from mesos_py.agent.events import AgentEvent, MasterSaid, Ticked
from mesos_py.daemons.config import AgentConfig
from mesos_py.daemons.service import private_dir, run, story_file, watcher
from mesos_py.errors import ConfigError, UserError
from mesos_py.messages.codec import AGENT_CALLS, AGENT_ORDERS, MSGPACK, Malformed
from mesos_py.messages.executor import ExecutorCall, ExecutorUpdate
from mesos_py.runtime.logs import get_log
from mesos_py.runtime.loop import Loop
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.outbox import Outbox, Receiver
from mesos_py.runtime.ports import Address, Delivery
from mesos_py.runtime.story import Story
from mesos_py.types.attributes import parse_attributes
from mesos_py.types.containers import ContainerExit
from mesos_py.types.ids import ContainerID, Role
from mesos_py.types.infos import AgentInfo
from mesos_py.types.resources import Resources
from mesos_py.types.tasks import Reason

__all__ = ["AgentDaemon", "main"]
