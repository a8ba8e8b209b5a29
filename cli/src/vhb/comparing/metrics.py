"""What this machine's packages and registry say of metrics."""

from pathlib import Path


class RegisteredMetrics:
    """Of the packages that are installed here, and of the registry's entries."""

    def composite(self, label: str) -> bool:
        """See `vhb_shared.comparing.runs.Metrics`."""
        from vhb_evaluator.metrics.registry import class_from_label
        from vhb_shared.errors import UserError

        try:
            return class_from_label(label).composite
        except UserError:
            return False

    def higher_is_better(self, label: str) -> bool | None:
        """See `vhb_shared.comparing.runs.Metrics`; metrics of packages and entries that are not here are not known."""
        from vhb_evaluator.metrics.declared import declared
        from vhb_evaluator.metrics.registry import higher_is_better
        from vhb_shared.errors import UserError
        from vhb_shared.registry.registry import Registry

        with declared(known.entry for known in Registry.load(Path.cwd()).metrics.values()):
            try:
                return higher_is_better(label)
            except UserError:
                return None
