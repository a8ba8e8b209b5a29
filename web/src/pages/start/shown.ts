/** Fields that have a place of their own in the form; the others are chosen among the more settings. */
export const SHOWN_OF_JOB = ["name", "models", "tasks"];
export const SHOWN_OF_MODEL = ["name", "backend", "model", "base_url", "api_key_env"];
export const SHOWN_OF_TASK = ["name", "dataset", "prompt", "metrics", "limit"];
