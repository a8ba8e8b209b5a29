-- The samples that models did worst at, by the latest run of each; a failed one counts as an empty answer.
-- $metric: this metric only, as scores name it
-- $dataset: this data set only
-- $task: this task only
-- $top=20: how many for each data set, task and metric
WITH latest AS (
    SELECT run_id FROM runs
    WHERE ($dataset::VARCHAR IS NULL OR dataset = $dataset) AND ($task::VARCHAR IS NULL OR task = $task)
        AND run_id IN (SELECT run_id FROM scores)
    QUALIFY row_number() OVER (PARTITION BY model, task, dataset_digest ORDER BY planned_at DESC, run_id DESC) = 1
),
counted AS (
    SELECT s.*, coalesce(s.value, s.worst_numerator / nullif(s.worst_denominator, 0)) AS counts_as
    FROM scores s JOIN latest USING (run_id)
    WHERE s.higher_is_better IS NOT NULL AND ($metric::VARCHAR IS NULL OR s.metric = $metric)
)
SELECT
    dataset, task, metric, id, any_value(doc_class) AS doc_class, any_value(question_type) AS question_type,
    avg(counts_as) AS mean,
    CASE WHEN higher_is_better THEN max(counts_as) ELSE min(counts_as) END AS best,
    arg_max(model, CASE WHEN higher_is_better THEN counts_as ELSE -counts_as END) AS best_model,
    count(*) AS models, count(*) FILTER (value IS NULL) AS failed, dataset_digest
FROM counted
WHERE counts_as IS NOT NULL
GROUP BY dataset, dataset_digest, task, metric, higher_is_better, id
QUALIFY row_number() OVER (
    PARTITION BY dataset_digest, task, metric ORDER BY CASE WHEN higher_is_better THEN mean ELSE -mean END, id
) <= $top::BIGINT
ORDER BY dataset, dataset_digest, task, metric, CASE WHEN higher_is_better THEN mean ELSE -mean END, id
