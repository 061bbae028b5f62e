"""Who is furthest below their fair share: dominant resource fairness over a tree of roles.

::

    root ─┬─ ads ──── frameworks of ads
          └─ eng ─┬─ eng/.   ──── frameworks of eng itself
                  └─ eng/web ──── frameworks of eng/web

Siblings are compared at each level: roles by what the policy makes of share and weight, the frameworks of one role by
share alone; ties go to whoever was given something fewer times, then to the first name. A node's share is the largest
part it holds of any scalar resource of the cluster (Ghodsi et al., NSDI 2011). The resources that count are bounded,
for it is agents that name them: ``cpus``, ``mem``, ``disk`` and ``gpus`` always, and of others those that came first.

Shares are exact: integers over one common denominator, so equal shares are equal whatever they are shares of. A
promise or its return moves one node per level by bisection. What changes every share (an agent or a framework comes or
goes, a weight is set) only marks the tree stale, and the next ``refresh`` makes it anew, once for all such changes.

Sets of clients are bit masks: taking those out who refuse an agent, of a thousand, is one operation on two integers.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from math import lcm
from operator import add, floordiv, mul
from typing import Any, Final, Generic, Protocol, TypeVar

from mesos_py.errors import InvariantError
from mesos_py.types.ids import FrameworkID, Role
from mesos_py.types.resources import Resources
from mesos_py.types.roles import ancestors, is_within

__all__ = ["MOST_OTHERS", "Client", "Node", "RoleOrder", "Sorter", "Vector"]

_ALWAYS: Final = frozenset({"cpus", "mem", "disk", "gpus"})
MOST_OTHERS: Final = 60
"""So many other resources count at a time."""

Vector = list[tuple[int, int]]
"""Some scalar resources, each by its place in the sorter's list of names, in the sorter's units at the time."""

ClientT = TypeVar("ClientT", bound="Client")
Key = tuple[Any, int, str, "Node"]
"""Orders siblings: what the share makes, times given, name; the names of siblings differ, so nodes never compare."""


class RoleOrder(Protocol):
    """How a policy compares sibling roles."""

    def rank(self, weight: float) -> Any:
        """What ``lead`` needs to know of a weight."""

    def lead(self, share: int, rank: Any) -> Any:
        """What sorts sibling roles, the lowest first."""


class Node:
    """One role, or one client below it."""

    __slots__ = ("bits", "count", "key", "name", "order", "parent", "parts", "rank")

    def __init__(self, name: str, parent: "Node | None" = None, rank: Any = None, width: int = 0) -> None:
        self.name = name
        self.parent = parent
        self.rank = rank
        """Of a role's weight; None for a client, which has none."""
        self.parts = [0] * width
        """What it holds of each scalar resource, in the sorter's units."""
        self.count = 0
        """How often something was given to it."""
        self.bits = 0
        """The masks of all eligible clients at or below it; 0 leaves it out of its parent's order."""
        self.order: list[Key] = []
        """Its eligible children, the next one to be served first."""
        self.key: Key = (0, 0, name, self)
        """As it stands in its parent's order. Of an only child it may be out of date."""


class Client(Node):
    """One framework in one role: what resources are offered to."""

    __slots__ = ("eligible", "framework_id", "mask", "role")

    def __init__(self, framework_id: FrameworkID, role: Role, mask: int) -> None:
        super().__init__(framework_id)
        self.framework_id = framework_id
        self.role = role
        self.mask = mask
        """Its one bit in every set of clients."""
        self.eligible = False
        """May be offered something, somewhere."""


class Sorter(Generic[ClientT]):
    """Keeps clients in the order in which they are to be served."""

    def __init__(self, order: RoleOrder) -> None:
        self._by_role = order
        self._weights: dict[Role, float] = {}
        self._clients: dict[ClientT, None] = {}
        self._names: dict[str, int] = {}
        """The scalar resources of the cluster that count, numbered."""
        self._uncounted: dict[str, int] = {}
        """Thousandths the cluster has of the others; none of them counts before there was none of it for a while."""
        self._totals: list[int] = []
        """Thousandths the cluster has of each."""
        self.units: list[int] = []
        """A thousandth of each, as everything is counted here: 1 while the tree is stale, and otherwise such that the
        cluster's total of each resource is the same number, which makes parts of different resources compare as
        shares. Another list object whenever it changes."""
        self._whole = 1
        """That number."""
        self._root = Node("")
        self._roles: dict[Role, Node] = {}
        """What stands for every role with a client at or below it: the node of a role above if it has no siblings."""
        self._pools: dict[Role, Node] = {}
        """Where the clients of a role hang: the role itself, or a child if it has sub-roles."""
        self._stale = True

    # What changes every share

    def add(self, client: ClientT) -> None:
        """Take in a client that holds nothing."""
        self._spoil()
        client.parts = [0] * len(self._names)
        self._clients[client] = None

    def remove(self, client: ClientT) -> None:
        """Let a client go, with what it holds."""
        self._spoil()
        del self._clients[client]

    def set_weight(self, role: Role, weight: float) -> None:
        """Weigh a role; 1 until then."""
        self._spoil()
        if weight == 1:
            self._weights.pop(role, None)
        else:
            self._weights[role] = weight

    def add_total(self, resources: Resources) -> None:
        """The cluster has this much more."""
        self._spoil()
        quantities = resources.quantities()
        for name, quantity in quantities.items():
            if name not in self._names and not self._take_in(name):
                self._uncounted[name] = self._uncounted.get(name, 0) + quantity
            else:
                self._totals[self._names[name]] += quantity

    def remove_total(self, resources: Resources) -> None:
        """The cluster has this much less."""
        self._spoil()
        for name, quantity in resources.quantities().items():
            if name in self._names:
                self._totals[self._names[name]] -= quantity
                continue
            self._uncounted[name] -= quantity
            if not self._uncounted[name]:
                del self._uncounted[name]

    def counts(self, name: str) -> bool:
        """True if a resource of the cluster is one that counts."""
        return name in self._names

    def _take_in(self, name: str) -> bool:
        """Count a resource from now on, unless there is some already that did not count, or too many do."""
        if name in self._uncounted or (name not in _ALWAYS and len(self._names.keys() - _ALWAYS) >= MOST_OTHERS):
            return False
        self._names[name] = len(self._names)
        for parts in (self.units, self._totals, *(client.parts for client in self._clients)):
            parts.append(parts is self.units)
        return True

    def _spoil(self) -> None:
        """Mark the tree stale, and count in plain thousandths until it is made anew."""
        if self._stale:
            return
        self._stale = True
        for client in self._clients:
            client.parts = list(map(floordiv, client.parts, self.units))
        self.units = [1] * len(self.units)

    # What changes one client

    def set_eligible(self, client: Client, eligible: bool) -> None:
        """Put a client in line, or take it out; what it holds goes on counting for its role."""
        client.eligible = eligible
        if self._stale:
            return
        if eligible:
            self._enter(client)
        else:
            self._leave(client)

    def vector(self, resources: Resources) -> Vector:
        """The scalars of ``resources`` that count; good while ``units`` is the same object."""
        names, units = self._names, self.units
        return [
            (names[name], quantity * units[names[name]])
            for name, quantity in resources.quantities().items()
            if quantity and name in names
        ]

    def charge(self, client: Client, vector: Vector) -> None:
        """It is given this."""
        self._shift(client, vector, 1)

    def release(self, client: Client, vector: Vector) -> None:
        """It gives this back."""
        self._shift(client, [(index, -part) for index, part in vector], 0)

    def _shift(self, client: Client, changes: Vector, given: int) -> None:
        """Change what a client and all above it hold, and move each to its new place. The hottest loop there is."""
        node: Node = client
        while True:
            parts = node.parts
            for index, change in changes:
                parts[index] += change
            node.count += given
            if self._stale:
                return
            parent = node.parent
            assert parent is not None
            order = parent.order
            if len(order) > 1 and node.bits:
                del order[0 if order[0] is node.key else bisect_left(order, node.key)]
                share = max(parts) if parts else 0
                lead = share if node.rank is None else self._by_role.lead(share, node.rank)
                node.key = key = (lead, node.count, node.name, node)
                insort(order, key)
            if parent.parent is None:
                return
            node = parent

    # Order

    def refresh(self) -> None:
        """Make the tree anew if it is stale. Due before any of the following is asked."""
        if not self._stale:
            return
        self._stale = False
        self._forget_exhausted_names()
        self._whole = lcm(*self._totals)
        self.units = [self._whole // total for total in self._totals]
        self._plant()
        for client in self._clients:
            client.parts = list(map(mul, client.parts, self.units))
            client.bits = 0
            client.parent = self._pools[client.role]
            for node in _upwards(client.parent):
                node.parts = list(map(add, node.parts, client.parts))
                node.count += client.count
        for client in self._clients:
            if client.eligible:
                self._enter(client)

    def eligible(self) -> int:
        """The masks of all clients in line."""
        return self._root.bits

    def eligible_within(self, role: Role) -> int:
        """The masks of all clients in line in this role or below."""
        node = self._roles.get(role)
        return node.bits if node else 0

    def first(self, open_: int) -> ClientT:
        """Who is to be served next among these clients; at least one of them is in line."""
        node = self._root
        while order := node.order:
            for key in order:
                if key[3].bits & open_:
                    node = key[3]
                    break
            else:
                raise InvariantError(f"none of {open_:#x} is in line")
        return node  # type: ignore[return-value]  # what has nobody below it is a client

    def roles_in_order(self) -> list[Role]:
        """Every role with a client, as they would be served; those without an eligible one after their siblings."""

        def place(role: Role) -> list[tuple[Any, ...]]:
            path = reversed(list(_upwards(self._pools[role])))
            return [(not node.bits, *self._key(node)[:3]) for node in path]

        return sorted(self._pools, key=place)

    # Reading

    def weighted(self) -> list[Role]:
        """The roles that do not weigh 1, by name."""
        return sorted(self._weights)

    def standing(self, role: Role) -> tuple[float, float, dict[str, int]]:
        """Weight, dominant share and thousandths held, of a role with all that is below it."""
        nothing = [0] * len(self._names)
        below = [client.parts for client in self._clients if is_within(client.role, role)]
        parts = [sum(column) for column in zip(nothing, *below, strict=True)]
        held = {name: parts[index] // self.units[index] for name, index in self._names.items()}
        return self._weights.get(role, 1.0), max(parts, default=0) / self._whole, held

    def held(self, client: Client) -> dict[str, int]:
        """Thousandths that a client holds."""
        return {name: client.parts[index] // self.units[index] for name, index in self._names.items()}

    def check(self) -> None:
        """Raise InvariantError if the tree is not what it would be if made anew."""
        if self._stale:
            return
        family: dict[Node, list[Node]] = {}
        nodes: set[Node] = {*self._clients, *self._roles.values(), *self._pools.values()}
        for node in nodes:
            if node.parent is not None:
                family.setdefault(node.parent, []).append(node)
        for parent, children in family.items():
            held = [sum(column) for column in zip(*(child.parts for child in children), strict=True)]
            if parent is not self._root and (parent.parts != held or min(held, default=0) < 0):
                raise InvariantError(f"{parent.name!r} does not hold what is held below it")
            if [key[3] for key in parent.order] != [key[3] for key in sorted(self._key(c) for c in children if c.bits)]:
                raise InvariantError(f"{parent.name!r} is out of order")
            if parent.bits != sum(child.bits for child in children):
                raise InvariantError(f"{parent.name!r} has not in line who is in line below it")

    # Inside

    def _key(self, node: Node) -> Key:
        share = max(node.parts, default=0)
        lead = share if node.rank is None else self._by_role.lead(share, node.rank)
        return (lead, node.count, node.name, node)

    def _enter(self, client: Client) -> None:
        """Put it in line, and with it the roles above that had nobody in line."""
        mask = client.mask
        node: Node = client
        while (parent := node.parent) is not None:
            order = parent.order
            if not node.bits:
                if len(order) == 1:
                    only = order[0][3]
                    only.key = order[0] = self._key(only)
                node.key = self._key(node)
                insort(order, node.key)
            node.bits |= mask
            node = parent
        node.bits |= mask

    def _leave(self, client: Client) -> None:
        """The inverse of _enter."""
        mask = client.mask
        node: Node = client
        while (parent := node.parent) is not None:
            node.bits &= ~mask
            if not node.bits:
                del parent.order[bisect_left(parent.order, node.key)]
            node = parent
        node.bits &= ~mask

    def _plant(self) -> None:
        """Make a node for every role that has siblings, holding nothing; one without needs no place in line."""
        width = len(self._names)
        roles = dict.fromkeys(client.role for client in self._clients)
        paths = sorted({path for role in roles for path in ancestors(role)})
        family = Counter(path.rpartition("/")[0] for path in paths)
        inner = [role for role in roles if role in family]
        family.update(inner)
        self._root = Node("")
        self._roles = {}
        for path in paths:
            above = path.rpartition("/")[0]
            node = self._roles.get(Role(above), self._root)
            if family[above] > 1:
                node = Node(path, node, self._by_role.rank(self._weights.get(path, 1.0)), width)
            self._roles[path] = node
        self._pools = {role: self._roles[role] for role in roles}
        for role in inner:
            self._pools[role] = Node(f"{role}/.", self._roles[role], self._by_role.rank(1.0), width)

    def _forget_exhausted_names(self) -> None:
        """Drop the resources of which no agent has any left."""
        names = [name for name, index in self._names.items() if self._totals[index]]
        if len(names) == len(self._names):
            return
        kept = [self._names[name] for name in names]
        self._names = {name: index for index, name in enumerate(names)}
        self._totals = [self._totals[index] for index in kept]
        for client in self._clients:
            client.parts = [client.parts[index] for index in kept]


def _upwards(node: Node | None) -> Iterator[Node]:
    """The node and all above it but the root."""
    while node is not None and node.parent is not None:
        yield node
        node = node.parent
