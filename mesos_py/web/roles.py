"""What operators set of roles through the master's HTTP API: weights and quotas."""

from typing import Annotated, Any

from litestar import delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, Parameter, QueryParameter
from msgspec import Struct

from mesos_py.errors import UserError
from mesos_py.master.events import OperatorSetQuotas, OperatorSetWeights
from mesos_py.types.ids import Role
from mesos_py.types.quota import Quota, amounts_from, amounts_to_wire
from mesos_py.web.app import may_fail, problem
from mesos_py.web.asking import Asker, Done
from mesos_py.web.leading import Leading, NotLeading, elsewhere
from mesos_py.web.reader import Reader

__all__ = ["RoleSite"]

Force = Annotated[bool, Parameter(description="Even if there is not so much, or the role uses more already.")]
RolesToClear = Annotated[list[str], QueryParameter(name="role", description="May be given several times.")]


class QuotaOfRole(Struct, frozen=True, omit_defaults=True):
    """Of a top-level role with all below it; scalar resources by name, mem and disk in MB."""

    role: str
    guarantee: dict[str, float] = {}
    limit: dict[str, float] = {}
    """Without end for what is not named."""


class RoleSite:
    """The routes about weights and quotas."""

    def __init__(self, reader: Reader, leading: Leading, asker: Asker) -> None:
        self._reader = reader
        self._leading = leading
        self._do = asker.do

    def routes(self) -> list[HTTPRouteHandler]:
        """All of them."""
        any_: dict[str, Any] = {"tags": ["roles"], "exception_handlers": {NotLeading: elsewhere}}
        look = {**any_, "responses": may_fail(503)}
        act = {**any_, "status_code": 200, "responses": may_fail(400, 403, 404, 409, 503)}
        return [
            get("/weights", summary="Weights that were set", **look)(self.weights),
            put("/weights", summary="Set weights", **act)(self.set_weights),
            delete("/weights", summary="Weigh roles as configured", **act)(self.clear_weights),
            get("/quota", summary="Quotas", **look)(self.quotas),
            put("/quota", summary="Set quotas", **act)(self.set_quotas),
            delete("/quota", summary="Take quotas away", **act)(self.clear_quotas),
        ]

    async def weights(self) -> dict[str, float]:
        """By role; other roles weigh what the configuration says, or 1."""
        found = await self._reader.read(lambda: dict(self._leading().state.registry.weights))
        return {str(role): weight for role, weight in sorted(found.items())}

    async def set_weights(self, data: JSONBody[dict[str, float]]) -> Done:
        """All of these or none; of roles that are not named nothing changes."""
        return await self._do(OperatorSetWeights({Role(role): weight for role, weight in data.items()}))

    async def clear_weights(self, roles: RolesToClear) -> Done:
        """They weigh what the configuration says again, or 1."""
        return await self._do(OperatorSetWeights(dict.fromkeys(map(Role, roles))))

    async def quotas(self) -> list[QuotaOfRole]:
        """By role."""
        found = await self._reader.read(lambda: dict(self._leading().state.registry.quotas))
        return [
            QuotaOfRole(role, amounts_to_wire(quota.guarantee), amounts_to_wire(quota.limit))
            for role, quota in sorted(found.items())
        ]

    async def set_quotas(self, data: JSONBody[list[QuotaOfRole]], force: Force = False) -> Done:
        """All of these or none, each in place of what the role had; of roles that are not named nothing changes."""
        quotas: dict[Role, Quota] = {}
        for item in data:
            role = Role(item.role)
            if role in quotas:
                raise problem(400, f"role {role} is given twice")
            try:
                quotas[role] = Quota(amounts_from(item.guarantee), amounts_from(item.limit))
            except UserError as error:
                raise problem(400, f"role {role}: {error}") from None
        return await self._do(OperatorSetQuotas(quotas, force))

    async def clear_quotas(self, roles: RolesToClear) -> Done:
        """They are sure of nothing and may have everything."""
        return await self._do(OperatorSetQuotas(dict.fromkeys(map(Role, roles), Quota())))
