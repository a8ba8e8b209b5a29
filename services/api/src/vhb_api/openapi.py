"""`python -m vhb_api.openapi`: the OpenAPI document of the interface, from which the page's types are made."""

import json
import sys

from vhb_api.rest.application import routes

if __name__ == "__main__":
    json.dump(routes().openapi(), sys.stdout, indent=1)
