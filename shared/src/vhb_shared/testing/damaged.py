"""Files that are worse than damaged."""

import base64
import zlib

ABORTS_ITS_READER = zlib.decompress(
    base64.b64decode(
        "eNp9kcFqwkAQhidbFQ8eRJyQQA65GJSK1a2SpOBhLWKl0kahSC/S2GRViEaM1dpL36EPUPqo3SweeuoPO8PM988s7Hps0sIMlrA0"
        "QoIAkBXHb2w3CwQsYrGOnyLlMAdABCEKXGBB70CuqGvZ1dpfhAgqUWfqzGpbedANtY1UFU4kev0us4vjPRLAQoWc7RUYGQKrRDd0"
        "w/pSjP/Wqd8KlkGUxMqrszKI/VqBTSaP05vkdRmufe1HuUpF20yonwbnIOr38bmWrXvGEnYr85hdeoIfj2l/yNjir08GO+UnySUc"
        "MImeWDrcG7KezP10n5D0MeZ9iCGnL1F69SDaP0+DiLFuF7QHL478XWJWt6f9Mt7UzEO4S1bxxqSNVqNpVudvqygwbe426Ty45jyg"
        "NucODVptajt+0/Wp2+GcctsPA5fWdCN9wBcFwBOf9wtSHWIl"
    )
)
"""A Parquet file of one row with the column `image`. One byte of its page was changed, so that its text claims 2 EiB:
Polars 2.1 ends its process when it reads that."""
