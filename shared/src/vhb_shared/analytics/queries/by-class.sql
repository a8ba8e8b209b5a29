-- Each model's values by document class, by question type, and by both.
-- $metric: this metric only
-- $model: this model only
-- $dataset: this data set only
-- $level: by_doc_type, by_question_type or by_doc_question only
SELECT
    dataset, task, metric, normalisation, level, "group", model, value, ci_low, ci_high, n, n_scored, n_failed, run, job_id,
    dataset_digest
FROM metrics
WHERE level IN ('by_doc_type', 'by_question_type', 'by_doc_question')
    AND ($metric::VARCHAR IS NULL OR metric = $metric)
    AND ($model::VARCHAR IS NULL OR model = $model)
    AND ($dataset::VARCHAR IS NULL OR dataset = $dataset)
    AND ($level::VARCHAR IS NULL OR level = $level)
ORDER BY dataset, task, metric, normalisation, level, "group", model, planned_at
