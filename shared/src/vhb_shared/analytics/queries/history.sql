-- How a model's values on a data set changed from run to run, oldest first.
-- $model: this model only
-- $dataset: this data set only
-- $metric: this metric only
-- $task: this task only
SELECT
    model, dataset, task, metric, normalisation, planned_at, value,
    value - lag(value) OVER before AS change,
    ci_low, ci_high, n, n_failed,
    dataset_digest IS DISTINCT FROM lag(dataset_digest, 1, dataset_digest) OVER before AS data_changed,
    job_id
FROM metrics
WHERE level = 'general'
    AND ($model::VARCHAR IS NULL OR model = $model)
    AND ($dataset::VARCHAR IS NULL OR dataset = $dataset)
    AND ($metric::VARCHAR IS NULL OR metric = $metric)
    AND ($task::VARCHAR IS NULL OR task = $task)
WINDOW before AS (PARTITION BY model, dataset, task, metric, normalisation ORDER BY planned_at, run_id)
ORDER BY model, dataset, task, metric, normalisation, planned_at, run_id
