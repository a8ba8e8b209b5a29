-- How far two models agree on the same samples, by the latest run of each: the share of equal scores, of equal answers,
-- and the correlation of scores. Composite metrics are of no use here: their samples have no value of their own.
-- $metric: this metric only, as scores name it
-- $dataset: this data set only
-- $task: this task only
WITH latest AS (
    SELECT run_id FROM runs
    WHERE ($dataset::VARCHAR IS NULL OR dataset = $dataset) AND ($task::VARCHAR IS NULL OR task = $task)
        AND run_id IN (SELECT run_id FROM scores)
    QUALIFY row_number() OVER (PARTITION BY model, task, dataset_digest ORDER BY planned_at DESC, run_id DESC) = 1
),
scored AS (
    SELECT s.run_id, s.model, s.dataset, s.dataset_digest, s.task, s.metric, s.id, s.value, a.model_answer
    FROM scores s JOIN latest USING (run_id) LEFT JOIN answers a ON a.run_id = s.run_id AND a.id = s.id
    WHERE s.value IS NOT NULL AND ($metric::VARCHAR IS NULL OR s.metric = $metric)
)
SELECT
    one.dataset, one.task, one.metric, one.model AS one, other.model AS other, count(*) AS n,
    avg((one.value = other.value)::INTEGER) AS equal_scores,
    avg((one.model_answer = other.model_answer)::INTEGER) AS equal_answers,
    CASE WHEN stddev_pop(one.value) > 0 AND stddev_pop(other.value) > 0 THEN corr(one.value, other.value) END
        AS correlation,
    avg(one.value) AS mean_one, avg(other.value) AS mean_other
FROM scored one JOIN scored other
    ON other.dataset_digest = one.dataset_digest AND other.task = one.task AND other.metric = one.metric
    AND other.id = one.id AND other.model > one.model
GROUP BY one.dataset, one.dataset_digest, one.task, one.metric, one.model, other.model
ORDER BY one.dataset, one.dataset_digest, one.task, one.metric, equal_scores DESC, one.model, other.model
