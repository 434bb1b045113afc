"""How several processes become one program, and how the end of one becomes the end of all.

Start-up is JAX's own: it detects the cluster, and its coordination service notices by the missing
heartbeat when a process dies. With one process nothing here opens a connection.
"""

import json
import os
import socket
import sys
import threading
import time
from typing import Any

import jax

from jaxcnn.errors import NoStartError, StartError, one_line
from jaxcnn.parallel import runtime
from jaxcnn.parallel.launch import START_SECONDS, Launch, plan

# A process that has not been heard of for so long is dead, and the others end.
HEARTBEAT_SECONDS = 60
# How often a process looks whether another one has said that it ends.
POLL_SECONDS = 2.0
# The folder of the key-value store in which a process says that it ends.
ENDED = "jaxcnn/ended"


def initialize(launch: Launch) -> None:
    """Joins the other processes, if there are to be any, before the first device is touched.

    Raises StartError with one sentence; ends the process with one where the others do not come in
    time.
    """
    arguments = plan(launch, os.environ)
    if arguments is None:
        return
    # JAX's preemption service would take SIGTERM away from run/stop.py.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    gave_up = threading.Timer(launch.start_timeout, _give_up, (launch.start_timeout, arguments))
    gave_up.daemon = True
    # JAX's own deadline aborts the process with a stack trace: ours comes first.
    gave_up.start()
    try:
        jax.distributed.initialize(
            **arguments,
            initialization_timeout=launch.start_timeout + 30,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except Exception as error:  # whatever a cluster's interface makes of a wrong environment
        raise StartError(f"the processes could not join: {one_line(error, 400)}") from None
    finally:
        gave_up.cancel()
    threading.Thread(target=_watch, daemon=True).start()
    _check_counts()


def _give_up(seconds: int, arguments: dict[str, Any]) -> None:
    """Ends this process because not all others came within `seconds`."""
    known = runtime.coordinator_address() or arguments.get("coordinator_address")
    address = known or "an address not found out yet"
    try:
        host, port = address.rsplit(":", 1)
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        state = (
            "it answers, but not every process came; "
            "each needs the same --num_processes and a --process_id of its own"
        )
    except (OSError, ValueError):
        state = (
            "nothing answers there; is process 0 running, and does a firewall let the port through?"
        )
    error = NoStartError(f"no start within {seconds} s at the coordinator {address}: {state}")
    _leave(error.sentence, error.exit_code)


def _check_counts() -> None:
    """Raises StartError unless all processes were told the same number of processes.

    They must see each other's devices too.
    """
    mine, number = runtime.num_processes(), runtime.process_id()
    if number == 0:
        runtime.put("jaxcnn/num_processes", str(mine))
    first = int(runtime.get("jaxcnn/num_processes", 1000 * START_SECONDS))
    if mine != first:
        raise StartError(
            f"process {number} was told of {mine} processes and process 0 of {first}; "
            "give all the same number"
        )
    own, all_devices = jax.local_device_count(), jax.device_count()
    if jax.process_count() != mine or all_devices != mine * own:
        raise StartError(
            f"{mine} processes started, and process {number} sees {jax.process_count()} processes, "
            f"{all_devices} devices and {own} of its own; every process needs the same number of "
            "devices, and none may use them before it joins"
        )


def _ended_elsewhere() -> tuple[int, str, int] | None:
    """(number, why, exit code) of a process that has said that it ends; None while all go on.

    None too where this process has said so itself: it ends by its own words. Where several others
    end, it is the first of them, so that all processes give the same reason.
    """
    told = [json.loads(text) for text in runtime.texts_under(ENDED)]
    ending = {number: (number, why, code) for number, why, code in told}
    if not ending or runtime.process_id() in ending:
        return None
    return ending[min(ending)]


def _leave_if_told() -> None:
    ended = _ended_elsewhere()
    if ended is not None:
        number, why, code = ended
        _leave(f"error: process {number} ended: {why}", code)


def _watch() -> None:
    """Ends this process when another one has said that it ends.

    Without this it would wait until that one's heartbeat is missed.
    """
    failures = 0
    while failures < 5:
        time.sleep(POLL_SECONDS)
        try:
            _leave_if_told()
            failures = 0
        except (
            Exception
        ):  # the network fails for a moment; or the service is gone, and JAX ends the process
            failures += 1


def wait_for_words(seconds: float = 2 * POLL_SECONDS) -> None:
    """Gives another process that ends the time to say why.

    Where it does, this process ends here with its words and its exit code.

    For a connection that broke: the process at its other end has often ended in good order.
    """
    deadline = time.monotonic() + seconds
    while runtime.connected() and time.monotonic() < deadline:
        try:
            _leave_if_told()
        except Exception:  # process 0 was the one that ended, and took the store of messages along
            return
        time.sleep(0.2)


def _leave(sentence: str, code: int) -> None:
    """Ends this process at once.

    Leaving JAX's service in good order would wait for the others, who wait for this process.
    """
    print(sentence, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)


def end(why: str, code: int, said: str = "") -> None:
    """Says `said`, ends this process with `code`, and tells the others `why`.

    They end soon, with the same code.

    Does nothing in a run of one process.
    """
    if not runtime.connected():
        return
    if said:
        print(said, file=sys.stderr)
    number = runtime.process_id()
    try:
        runtime.put(f"{ENDED}/{number}", json.dumps((number, why, code)), overwrite=True)
        if number == 0:  # process 0 serves the message: it stays until the others have looked
            time.sleep(2 * POLL_SECONDS)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
