"""Whether there are answers that a run could use again."""

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.reuse.index import is_index_key
from vhb_shared.reuse.scope import reuse_scope
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore


class KnownScopes:
    """Asks the storage once for each model as it is set up. Made anew for each job.

    Args:
        store: object storage.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._some: dict[str, bool] = {}

    async def some(self, model: ModelEntry) -> bool:
        """Whether any earlier run got answers from this model.

        Raises:
            Unavailable: the storage does not answer.
        """
        scope = reuse_scope(model)
        if scope not in self._some:
            self._some[scope] = False
            async for info in self._store.list(layout.reuse_prefix(scope)):
                if is_index_key(info.key):
                    self._some[scope] = True
                    break
        return self._some[scope]
