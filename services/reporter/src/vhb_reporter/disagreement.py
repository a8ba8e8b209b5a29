"""The samples on which the runs of a comparison differ most. Blocking."""

from collections.abc import Mapping

import polars as pl

from vhb_reporter.model import ComparisonGroup, DisagreedSample
from vhb_reporter.samples import Tables

SHOWN = 12
_REFERENCE = 200


def most_disagreed(
    group: ComparisonGroup, tables: Mapping[str, Tables], samples: pl.LazyFrame | None
) -> tuple[DisagreedSample, ...]:
    """Samples by the best value of any run less the worst, by the first metric; none where all agree.

    Args:
        tables: run id -> files.
        samples: of the data set, with `index` and `references`; None where it is gone.
    """
    if not group.metrics or (higher := group.higher_is_better.get(group.metrics[0])) is None:
        return ()
    scans = [
        pl.scan_parquet(path)
        .filter((pl.col("metric") == group.metrics[0]) & pl.col("value").is_finite())
        .select("index", "id", "value", pl.lit(place).alias("run"))
        for place, run in enumerate(group.runs)
        if (path := tables[run.spec.run_id].scores) is not None
    ]
    if len(scans) < 2:
        return ()
    value = pl.col("value")
    spread = (
        pl.concat(scans)
        .group_by("index", "id")
        .agg((value.max() - value.min()).alias("spread"))
        .filter(pl.col("spread") > 0)
        .top_k(SHOWN, by=["spread", -pl.col("index").cast(pl.Int64)])
        .collect(engine="streaming")
        .sort(["spread", "index"], descending=[True, False])
    )
    if spread.is_empty():
        return ()
    # Joined by index and id: a sample that is asked several times is several rows.
    values = pl.concat(scans).join(spread.lazy(), on=["index", "id"], how="semi").collect(engine="streaming")
    references = _references(samples, spread["index"])
    found = []
    for index, name, distance in spread.iter_rows():
        own = values.filter((pl.col("index") == index) & (pl.col("id") == name))
        rows = own.sort("value", "run", descending=[higher, False])
        ordered = [(group.runs[run], float(score)) for run, score in rows.select("run", "value").iter_rows()]
        found.append(DisagreedSample(index, str(name), distance, tuple(ordered), references.get(index)))
    return tuple(found)


def _references(samples: pl.LazyFrame | None, indices: pl.Series) -> dict[int, str]:
    if samples is None:
        return {}
    first = pl.col("references").list.first().str.slice(0, _REFERENCE)
    rows = samples.filter(pl.col("index").is_in(indices.to_list())).select("index", first)
    return {index: text for index, text in rows.collect(engine="streaming").iter_rows() if text}
