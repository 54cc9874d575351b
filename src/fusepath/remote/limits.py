"""Limits and settings that both ends of a connection share."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 64 * 2**20
"""Largest message either side accepts: a float32 map of 16 M elements."""
MAX_PROBE_BYTES = 4 * 2**20
"""Largest padding an edge server sends back for the asking."""
HELLO_WITHIN_S = 10.0
"""How long the edge server waits for the first message of a stream."""
LONGEST_REQUEST_S = 600.0
"""How long it is at work on a request, or a plan or profile, whatever the device says."""
WRITTEN_WITHIN_S, SLOWEST_READER_BYTES_PER_S = 10.0, 4096
"""How long a device may take to take an answer in, and how much more for its bytes."""
STREAM_ID = "fusepath-stream"
"""In the metadata of a stream: by which both sides know it, in what they log."""
RETRY_AFTER = "retry-after-ms"
"""In the trailing metadata of a refusal: when there may be room."""
DRILL_BYTES = 16 * 2**20
"""That the pieces of a drill may have while they wait."""
STREAM_SERVICE, STREAM_NAME = "fusepath.v1.Stream", "Converse"
STREAM_METHOD = f"/{STREAM_SERVICE}/{STREAM_NAME}"
"""What gRPC calls the stream; its messages are bytes to it."""

_KEEPALIVE = [
    # For a connection that nobody uses, and for the server, whose devices may be gone for good. A
    # ping waits behind what is already in the socket's buffer, and a slow link is not a dead one:
    # whether a server is there a device sees by what comes back.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 60_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
]
_MESSAGES = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]

CHANNEL_OPTIONS = [
    *_KEEPALIVE,
    *_MESSAGES,
    ("grpc.enable_http_proxy", 0),
    # How often it is tried again to connect is decided elsewhere.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
SERVER_OPTIONS = [
    *_KEEPALIVE,
    *_MESSAGES,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),  # a second server on the same port must fail, not share it
]
