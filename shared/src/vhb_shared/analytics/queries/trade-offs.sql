-- How good against how fast and how costly: values beside latency, tokens, memory, energy and, where prices are given,
-- cost. best_at_its_speed: no run on the same samples is both faster and better.
-- $metric: this metric only
-- $dataset: this data set only
-- $task: this task only
-- $token_price: of a million prompt tokens
-- $answer_price: of a million completion tokens
-- $hour_price: of an hour of one replica
WITH found AS (
    SELECT
        m.dataset, m.dataset_digest, m.task, m.metric, m.normalisation, m.higher_is_better, m.model, m.value,
        p.latency_ms_p50, p.latency_ms_p90, p.ttft_ms_p50, p.requests_per_s, p.concurrency_mean,
        p.prompt_tokens / nullif(p.measured, 0) AS prompt_tokens_per_answer,
        p.completion_tokens / nullif(p.measured, 0) AS completion_tokens_per_answer,
        p.device_memory_peak, p.memory_peak, p.energy_j_per_answer,
        CASE WHEN coalesce($token_price, $answer_price, $hour_price)::VARCHAR IS NOT NULL THEN 1000 / nullif(p.measured, 0) * (
            coalesce(p.prompt_tokens * $token_price::DOUBLE / 1e6, 0)
            + coalesce(p.completion_tokens * $answer_price::DOUBLE / 1e6, 0)
            + coalesce(p.active_s / 3600 * coalesce(p.replicas, 1) * $hour_price::DOUBLE, 0)
        ) END AS cost_per_1000_answers,
        m.run_id, m.job_id
    FROM metrics m JOIN performance p USING (run_id)
    WHERE m.level = 'general' AND m.value IS NOT NULL AND NOT ends_with(m.metric, '[epoch_sd]')
        AND ($metric::VARCHAR IS NULL OR m.metric = $metric)
        AND ($dataset::VARCHAR IS NULL OR m.dataset = $dataset)
        AND ($task::VARCHAR IS NULL OR m.task = $task)
)
SELECT
    dataset, task, metric, normalisation, model, value, higher_is_better,
    CASE WHEN higher_is_better IS NOT NULL AND latency_ms_p50 IS NOT NULL THEN NOT EXISTS (
        FROM found other
        WHERE other.dataset_digest = found.dataset_digest AND other.task = found.task
            AND other.metric = found.metric AND other.normalisation = found.normalisation
            AND other.latency_ms_p50 < found.latency_ms_p50
            AND CASE WHEN found.higher_is_better THEN other.value > found.value ELSE other.value < found.value END
    ) END AS best_at_its_speed,
    * EXCLUDE (dataset, dataset_digest, task, metric, normalisation, model, value, higher_is_better, run_id),
    dataset_digest
FROM found
ORDER BY dataset, dataset_digest, task, metric, normalisation, latency_ms_p50 NULLS LAST, model
