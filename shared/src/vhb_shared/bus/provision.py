"""Makes the streams, consumers and buckets of `contracts.topology`; the only place that does. Idempotent."""

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from vhb_shared.contracts import topology
from vhb_shared.contracts.topology import Consumer, Stream
from vhb_shared.errors import Unavailable

log = structlog.get_logger(__name__)


def _stream_config(stream: Stream) -> api.StreamConfig:
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=api.RetentionPolicy.WORK_QUEUE if stream.retention == "workqueue" else api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window=topology.DUPLICATE_WINDOW_S,
        discard=api.DiscardPolicy.OLD,
        allow_direct=True,
    )


def _consumer_config(consumer: Consumer) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        durable_name=consumer.durable,
        name=consumer.durable,
        filter_subject=consumer.subject,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_s,
        max_deliver=consumer.max_deliver,
        max_ack_pending=consumer.max_ack_pending,
        deliver_policy=api.DeliverPolicy.ALL,
    )


async def ensure_consumer(js: JetStreamContext, consumer: Consumer) -> None:
    """Makes a durable pull consumer unless it is there.

    Raises:
        Unavailable: the server does not answer.
    """
    try:
        try:
            await js.consumer_info(consumer.stream, consumer.durable)
        except NotFoundError:
            await js.add_consumer(consumer.stream, _consumer_config(consumer))
    except (TimeoutError, NatsError, OSError) as error:
        raise Unavailable(f"consumer {consumer.durable} could not be made: {error}") from error


async def provision(js: JetStreamContext) -> None:
    """Makes everything that is missing; brings a stream of an older version to the declared limits."""
    for stream in topology.STREAMS:
        config = _stream_config(stream)
        try:
            info = await js.stream_info(stream.name)
        except NotFoundError:
            await js.add_stream(config)
            log.info("stream_created", stream=stream.name)
            continue
        if set(info.config.subjects or []) != set(stream.subjects) or info.config.max_bytes != stream.max_bytes:
            await js.update_stream(config)
            log.info("stream_updated", stream=stream.name)
    for bucket in topology.BUCKETS:
        try:
            await js.key_value(bucket.name)
        except NotFoundError:
            await js.create_key_value(api.KeyValueConfig(bucket=bucket.name, history=1, ttl=bucket.ttl_s or None))
            log.info("bucket_created", bucket=bucket.name)
    for consumer in topology.CONSUMERS:
        await ensure_consumer(js, consumer)


async def missing(js: JetStreamContext, consumers: tuple[Consumer, ...]) -> str | None:
    """What of `consumers` and the buckets is not there, in words; None when all is."""
    for consumer in consumers:
        try:
            info = await js.consumer_info(consumer.stream, consumer.durable)
        except NotFoundError:
            return f"consumer {consumer.durable} on stream {consumer.stream}"
        if info.config.filter_subject != consumer.subject:
            return f"consumer {consumer.durable} with subject {consumer.subject}"
    for bucket in topology.BUCKETS:
        try:
            await js.key_value(bucket.name)
        except NotFoundError:
            return f"bucket {bucket.name}"
    return None
