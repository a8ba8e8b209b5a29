"""JSON Schemas and the AsyncAPI document, generated from the contracts; `python -m vhb_shared.schemas` writes them."""

from vhb_shared.schemas.messages import json_schemas

__all__ = ["json_schemas"]
