"""What the peers share: sessions, a stretched call, arrays over gRPC, a loop of commands."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # it is read when ONNX Runtime is loaded
import onnxruntime as ort

QUIET_RUNS = 5
SPIN_S = 0.0015
SERVICE = "peer"
OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
]


def session(model: bytes) -> ort.InferenceSession:
    """One thread, as for everybody in this benchmark."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, value: np.ndarray) -> np.ndarray:
    """A session of one input and one output."""
    (output,) = run_all(session, value)
    return output


def run_all(session: ort.InferenceSession, value: np.ndarray) -> list[np.ndarray]:
    """A session of one input."""
    return session.run(None, {session.get_inputs()[0].name: value})


def to_input(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(255)


def to_bytes(*arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array)
    return buffer.getvalue()


def from_bytes(data: bytes) -> np.ndarray:
    (array,) = all_from_bytes(data)
    return array


def all_from_bytes(data: bytes) -> list[np.ndarray]:
    buffer, arrays = io.BytesIO(data), []
    while buffer.tell() < len(data):
        arrays.append(np.load(buffer, allow_pickle=False))
    return arrays


def quiet_s(call) -> float:
    """Least time of some runs after a warm-up."""
    call()
    times = []
    for _ in range(QUIET_RUNS):
        started_s = time.perf_counter()
        call()
        times.append(time.perf_counter() - started_s)
    return min(times)


def stretched(call, target_s: float):
    """A call that lasts as long as on the slow device."""
    started_s = time.perf_counter()
    result = call()
    remaining_s = started_s + target_s - time.perf_counter()
    if remaining_s > SPIN_S:
        time.sleep(remaining_s - SPIN_S)
    while time.perf_counter() < started_s + target_s:
        pass
    return result


def connect(address: str) -> grpc.Channel:
    channel = grpc.insecure_channel(address, options=[*OPTIONS, ("grpc.enable_http_proxy", 0)])
    grpc.channel_ready_future(channel).result(timeout=10)
    return channel


def method(channel: grpc.Channel, name: str):
    """A call that sends bytes and returns bytes."""
    return channel.unary_unary(f"/{SERVICE}/{name}")


def serve(listen: str, methods: dict) -> None:
    """Answer calls (bytes in, bytes out) until told to stop."""
    server = grpc.server(ThreadPoolExecutor(2), options=OPTIONS)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(lambda data, _context, call=call: call(data))
        for name, call in methods.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port(listen)
    server.start()
    print(json.dumps({"listen": f"{listen.rpartition(':')[0]}:{port}"}), flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    server.stop(None)


def obey(prepare, infer) -> None:
    """Say that all has been measured, then carry out the commands on standard input.

    ``prepare(slowdown, rate_bytes_per_s)`` returns what to report; ``infer()`` returns the outputs,
    in the order of the model, and the bytes sent up.
    """
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if command.pop("do") == "prepare":
            answer = prepare(**command)
        else:
            started_s = time.perf_counter()
            outputs, up_bytes = infer()
            latency_s = time.perf_counter() - started_s
            np.savez(command["output"], *outputs)
            answer = {"latency_s": latency_s, "up_bytes": up_bytes}
        print(json.dumps(answer), flush=True)


def arguments(description: str, options=lambda _: None) -> argparse.Namespace:
    """``edge MODEL --listen …`` or ``device MODEL IMAGE --edge …``, with options for both."""
    parser = argparse.ArgumentParser(description=description)
    roles = parser.add_subparsers(dest="role", required=True)
    edge = roles.add_parser("edge")
    edge.add_argument("model")
    edge.add_argument("--listen", default="127.0.0.1:7171")
    device = roles.add_parser("device")
    device.add_argument("model")
    device.add_argument("image")
    device.add_argument("--edge", required=True)
    for role in (edge, device):
        options(role)
    return parser.parse_args()
