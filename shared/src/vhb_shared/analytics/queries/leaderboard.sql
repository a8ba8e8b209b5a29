-- All runs of all jobs, best first for each data set, task and metric.
-- $metric: this metric only, as metrics.csv names it
-- $model: this model only
-- $dataset: this data set only
-- $task: this task only
SELECT
    dataset, task, metric, normalisation,
    CASE WHEN higher_is_better IS NOT NULL THEN rank() OVER (
        PARTITION BY dataset_digest, task, metric, normalisation, higher_is_better
        ORDER BY CASE WHEN higher_is_better THEN -value ELSE value END
    ) END AS place,
    model, value, ci_low, ci_high, n, n_failed, planned_at, run, job_id, dataset_digest
FROM metrics
WHERE level = 'general' AND value IS NOT NULL AND NOT ends_with(metric, '[epoch_sd]')
    AND ($metric::VARCHAR IS NULL OR metric = $metric)
    AND ($dataset::VARCHAR IS NULL OR dataset = $dataset)
    AND ($task::VARCHAR IS NULL OR task = $task)
QUALIFY $model::VARCHAR IS NULL OR model = $model
ORDER BY dataset, dataset_digest, task, metric, normalisation, place NULLS LAST, model, planned_at
