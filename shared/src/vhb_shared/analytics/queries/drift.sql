-- Every later run of the same model, data set and task against a baseline: a job or run that is named, or those that are
-- pinned to data sets and tasks. outside: its value is not in the
-- baseline's 95% interval; equal_answers: the share of samples with the very same answer.
-- $baseline: a job id or a run id, instead of those that are pinned
-- $metric: this metric only, as metrics.csv names it
-- $dataset: this data set only
-- $task: this task only
WITH pinned AS (
    SELECT * FROM metrics m
    WHERE level = 'general' AND CASE WHEN $baseline::VARCHAR IS NOT NULL THEN $baseline IN (job_id, run_id)
            ELSE EXISTS (
                FROM baselines b WHERE b.dataset = m.dataset AND b.task = m.task AND b.baseline IN (m.job_id, m.run_id)
            ) END
        AND ($dataset::VARCHAR IS NULL OR dataset = $dataset) AND ($task::VARCHAR IS NULL OR task = $task)
        AND ($metric::VARCHAR IS NULL OR metric = $metric)
),
pairs AS (
    SELECT
        now.model, now.dataset, now.task, now.metric, now.normalisation, now.planned_at,
        pinned.value AS baseline, now.value, now.value - pinned.value AS drift,
        CASE WHEN now.higher_is_better THEN now.value < pinned.value
            WHEN NOT now.higher_is_better THEN now.value > pinned.value END AS worse,
        now.value < pinned.ci_low OR now.value > pinned.ci_high AS outside,
        now.dataset_digest <> pinned.dataset_digest AS data_changed,
        now.n_failed - pinned.n_failed AS more_failed, now.job_id, now.run_id, pinned.run_id AS pinned_run_id
    FROM pinned JOIN metrics now USING (model, dataset, task, metric, normalisation)
    WHERE now.level = 'general' AND now.run_id <> pinned.run_id AND now.planned_at >= pinned.planned_at
),
same AS (
    SELECT now.run_id, pinned.run_id AS pinned_run_id,
        avg((now.model_answer IS NOT DISTINCT FROM pinned.model_answer)::INTEGER) AS equal_answers
    FROM (SELECT DISTINCT run_id, pinned_run_id FROM pairs WHERE NOT data_changed) pair
        JOIN answers now ON now.run_id = pair.run_id
        JOIN answers pinned ON pinned.run_id = pair.pinned_run_id AND pinned.id = now.id
    GROUP BY now.run_id, pinned.run_id
)
SELECT
    model, dataset, task, metric, normalisation, planned_at, baseline, value, drift, worse, outside, data_changed,
    equal_answers, more_failed, job_id
FROM pairs LEFT JOIN same USING (run_id, pinned_run_id)
ORDER BY model, dataset, task, metric, normalisation, planned_at, run_id
