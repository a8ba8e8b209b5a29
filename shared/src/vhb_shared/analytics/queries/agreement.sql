-- How far two models agree on the same samples, by the latest run of each: the share of equal scores, of equal answers
-- (of all samples that both answered), and the correlation of scores. Composite metrics are of no use here: their samples
-- have no value of their own.
-- $metric: this metric only, as scores name it
-- $dataset: this data set only
-- $task: this task only
WITH latest AS MATERIALIZED (
    SELECT
        run_id, model, dataset, dataset_digest, task, row_number() OVER (ORDER BY model, run_id)::INTEGER AS place,
        dense_rank() OVER (ORDER BY dataset, dataset_digest, task)::INTEGER AS samples_of
    FROM (
        SELECT * FROM runs
        WHERE ($dataset::VARCHAR IS NULL OR dataset = $dataset) AND ($task::VARCHAR IS NULL OR task = $task)
            AND run_id IN (SELECT run_id FROM metrics)
        QUALIFY row_number() OVER (PARTITION BY model, task, dataset_digest ORDER BY planned_at DESC, run_id DESC) = 1
    )
),
found AS MATERIALIZED (
    SELECT l.samples_of, l.place, s.metric, s.id, s.value
    FROM scores s JOIN latest l USING (run_id)
    WHERE s.value IS NOT NULL AND ($metric::VARCHAR IS NULL OR s.metric = $metric)
),
lowest AS MATERIALIZED (SELECT place, metric, min(value) AS low FROM found GROUP BY place, metric),
-- Sums of products lose no digits where values begin at 0.
scored AS MATERIALIZED (SELECT f.*, f.value - l.low AS above FROM found f JOIN lowest l USING (place, metric)),
summed AS (
    SELECT
        a.samples_of, a.metric, a.place AS one, b.place AS other, count(*) AS n,
        sum((a.value = b.value)::INTEGER) AS equal, sum(a.above) AS x, sum(b.above) AS y, sum(a.above * b.above) AS xy,
        sum(a.above * a.above) AS xx, sum(b.above * b.above) AS yy
    FROM scored a JOIN scored b USING (samples_of, metric, id)
    WHERE b.place > a.place
    GROUP BY a.samples_of, a.metric, a.place, b.place
),
answered AS MATERIALIZED (
    SELECT l.samples_of, a.id, a.model_answer, l.place FROM answers a JOIN latest l USING (run_id)
    WHERE a.model_answer IS NOT NULL
),
-- Which models said the same, and how often just these did: few sets, however many samples.
same AS (
    SELECT places, count(*) AS n FROM (
        SELECT list(place ORDER BY place) AS places FROM answered GROUP BY samples_of, id, model_answer HAVING count(*) > 1
    ) GROUP BY places
),
asked AS (
    SELECT places, count(*) AS n FROM (
        SELECT list(place ORDER BY place) AS places FROM answered GROUP BY samples_of, id HAVING count(*) > 1
    ) GROUP BY places
),
answers_of AS (
    SELECT one, other, sum(same) AS same, sum(n) AS n FROM (
        SELECT one, unnest(places) AS other, n AS same, 0 AS n FROM (SELECT places, n, unnest(places) AS one FROM same)
        UNION ALL
        SELECT one, unnest(places) AS other, 0, n FROM (SELECT places, n, unnest(places) AS one FROM asked)
    ) GROUP BY one, other
)
-- What varies by less than a hundred-thousandth does not vary: sums cannot tell it from rounding.
SELECT
    one.dataset, one.task, s.metric, one.model AS one, other.model AS other, s.n, s.equal / s.n AS equal_scores,
    a.same / a.n AS equal_answers,
    CASE WHEN s.n * s.xx - s.x * s.x > 1e-10 * s.n * s.xx AND s.n * s.yy - s.y * s.y > 1e-10 * s.n * s.yy
        THEN greatest(-1, least(1, (s.n * s.xy - s.x * s.y)
            / (sqrt(s.n * s.xx - s.x * s.x) * sqrt(s.n * s.yy - s.y * s.y)))) END AS correlation,
    s.x / s.n + low_one.low AS mean_one, s.y / s.n + low_other.low AS mean_other,
    one.dataset_digest
FROM summed s JOIN latest one ON one.place = s.one JOIN latest other ON other.place = s.other
    JOIN lowest low_one ON low_one.place = s.one AND low_one.metric = s.metric
    JOIN lowest low_other ON low_other.place = s.other AND low_other.metric = s.metric
    LEFT JOIN answers_of a ON a.one = s.one AND a.other = s.other
ORDER BY one.dataset, s.samples_of, one.task, s.metric, equal_scores DESC, one.model, other.model
