"""Every subject and every key-value key, built here and nowhere else. Each function shows the literal it yields."""

ROOT = "vhb"

SUBMIT = "vhb.jobs.submitted"
CANCEL = "vhb.jobs.cancel"
RETRY = "vhb.jobs.retry"
ALL_JOB_COMMANDS = "vhb.jobs.>"
ALL_INFERENCE = "vhb.inference.>"
ALL_EVENTS = "vhb.events.>"
ALL_LIVE = "vhb.live.>"
ALL_DLQ = "vhb.dlq.>"


def inference(backend_id: str, run_id: str, shard: int) -> str:
    """vhb.inference.b1f0.invoices-x7-0.3"""
    return f"vhb.inference.{backend_id}.{run_id}.{shard}"


def inference_of_backend(backend_id: str) -> str:
    """vhb.inference.b1f0.>"""
    return f"vhb.inference.{backend_id}.>"


def inference_of_run(backend_id: str, run_id: str) -> str:
    """vhb.inference.b1f0.invoices-x7-0.*"""
    return f"vhb.inference.{backend_id}.{run_id}.*"


REUSE_BACKEND = "reuse"
"""Stands where a backend's id would: any agent looks answers up. No backend's id is so short."""


def reuse(run_id: str) -> str:
    """vhb.inference.reuse.invoices-x7-0"""
    return f"vhb.inference.{REUSE_BACKEND}.{run_id}"


def event(job_id: str, what: str) -> str:
    """vhb.events.invoices-x7.run.inference.completed"""
    return f"vhb.events.{job_id}.{what}"


def every(what: str) -> str:
    """vhb.events.*.run.inference.completed"""
    return f"vhb.events.*.{what}"


def events_of_job(job_id: str) -> str:
    """vhb.events.invoices-x7.>"""
    return f"vhb.events.{job_id}.>"


def live(job_id: str, what: str) -> str:
    """vhb.live.invoices-x7.progress"""
    return f"vhb.live.{job_id}.{what}"


def live_of_job(job_id: str) -> str:
    """vhb.live.invoices-x7.>"""
    return f"vhb.live.{job_id}.>"


def dlq(stream: str, consumer: str) -> str:
    """vhb.dlq.VHB_WORK.scheduler-submit"""
    return f"vhb.dlq.{stream}.{consumer}"


def job_key(job_id: str) -> str:
    """job.invoices-x7"""
    return f"job.{job_id}"


def run_key(run_id: str) -> str:
    """run.invoices-x7-0"""
    return f"run.{run_id}"


def claim_key(backend_id: str, replica: int) -> str:
    """b1f0.0"""
    return f"{backend_id}.{replica}"
