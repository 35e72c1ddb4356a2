"""Clients of our own on libpq: a new connection for each transaction, and a cause for each failure."""

import ctypes
import queue
import select
import socket
import threading
import time
from collections import Counter
from ctypes.util import find_library

from harness import require

RATE = 100  # transactions started per second, independent of earlier ones
CLIENTS = 200  # maximum number of concurrent transactions
BUSY_SECONDS = 0.02  # duration of a transaction, so that some are always running
CONNECT_SECONDS = 30  # for a connection to be established

OK, BAD = 0, 1  # ConnStatusType
FAILED, READING, WRITING, DONE = range(4)  # PostgresPollingStatusType
COMMAND_OK, TUPLES_OK = 1, 2  # ExecStatusType
SQLSTATE = ord("C")  # PG_DIAG_SQLSTATE


def load_libpq():
    name = find_library("pq")
    require(name, "the library libpq is missing: install the package postgresql")
    library = ctypes.CDLL(name)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "PQconnectStart": (pointer, text),
        "PQconnectPoll": (number, pointer),
        "PQstatus": (number, pointer),
        "PQsocket": (number, pointer),
        "PQerrorMessage": (text, pointer),
        "PQexec": (pointer, pointer, text),
        "PQresultStatus": (number, pointer),
        "PQresultErrorField": (text, pointer, number),
        "PQgetvalue": (text, pointer, number, number),
        "PQclear": (None, pointer),
        "PQfinish": (None, pointer),
    }
    for function, (result, *arguments) in signatures.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


class TransactionError(Exception):
    """A transaction did not reach its commit; the message is the cause."""


class Outcome:
    """The result of a transaction: its start and end, its client's port, the port of the server that served it, and
    the cause if it failed."""

    def __init__(self):
        self.started = time.monotonic()
        self.ended = self.client = self.server = self.cause = None

    @property
    def seconds(self):
        return self.ended - self.started

    def __str__(self):
        return f"{self.cause} after {self.seconds:.3f} s"


class Transactions:
    """Starts transactions at a steady rate until it is stopped."""

    def __init__(self, sandbox, port):
        self.libpq = load_libpq()
        self.parameters = f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable gssencmode=disable"
        self.outcomes = []
        self.running = set()
        self.lock = threading.Lock()
        self.permits = queue.SimpleQueue()
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.serve, daemon=True) for _ in range(CLIENTS)]
        self.threads.append(threading.Thread(target=self.pace, daemon=True))
        for thread in self.threads:
            thread.start()
        sandbox.callback(self.is_over.set)

    def pace(self):
        due = time.monotonic()
        while not self.is_over.is_set():
            self.permits.put(True)
            due += 1 / RATE
            time.sleep(max(0, due - time.monotonic()))
        for _ in range(CLIENTS):
            self.permits.put(False)

    def serve(self):
        while self.permits.get():
            outcome = Outcome()
            with self.lock:
                self.running.add(outcome)
            try:
                self.transact(outcome)
            except TransactionError as error:
                outcome.cause = str(error)
            outcome.ended = time.monotonic()
            with self.lock:
                self.running.remove(outcome)
                self.outcomes.append(outcome)

    def transact(self, outcome):
        connection = self.libpq.PQconnectStart(self.parameters.encode())
        try:
            self.connect(connection, outcome)
            self.execute(connection, "BEGIN")
            query = f"SELECT inet_server_port() FROM pg_sleep({BUSY_SECONDS})"
            outcome.server = int(self.execute(connection, query))
            self.execute(connection, "COMMIT")
        finally:
            self.libpq.PQfinish(connection)

    def connect(self, connection, outcome):
        deadline = time.monotonic() + CONNECT_SECONDS
        state = WRITING if self.libpq.PQstatus(connection) != BAD else FAILED
        while state != DONE:
            if state == FAILED:
                raise TransactionError(self.error_message(connection))
            descriptor = self.libpq.PQsocket(connection)
            if outcome.client is None:
                outcome.client = local_port(descriptor)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN if state == READING else select.POLLOUT)
            if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                raise TransactionError(f"no connection within {CONNECT_SECONDS} s")
            state = self.libpq.PQconnectPoll(connection)

    def execute(self, connection, statement):
        """Executes a statement; returns the first value of the result, if there is one."""
        result = self.libpq.PQexec(connection, statement.encode())
        try:
            status = self.libpq.PQresultStatus(result)
            if status == COMMAND_OK:
                return None
            if status == TUPLES_OK:
                return self.libpq.PQgetvalue(result, 0, 0).decode()
            code = self.libpq.PQresultErrorField(result, SQLSTATE)
            raise TransactionError(
                f"{statement.split()[0]}: {code.decode() if code else self.error_message(connection)}"
            )
        finally:
            self.libpq.PQclear(result)

    def error_message(self, connection):
        """Returns the first line of libpq's message, without the address that it may begin with."""
        lines = self.libpq.PQerrorMessage(connection).decode(errors="replace").strip().splitlines()
        return lines[0].rpartition("failed: ")[2] if lines else "no message from libpq"

    def done_since(self, moment):
        """Returns the transactions that started after a moment and have been committed."""
        with self.lock:
            return [outcome for outcome in self.outcomes if outcome.started > moment and not outcome.cause]

    def stop(self):
        """Starts no more transactions, and returns the results of all."""
        self.is_over.set()
        for thread in self.threads:
            thread.join(CONNECT_SECONDS)
        require(not self.running, f"{len(self.running)} transactions did not complete")
        return self.outcomes


def local_port(descriptor):
    with socket.socket(fileno=socket.dup(descriptor)) as copy:
        return copy.getsockname()[1]


def causes(outcomes):
    return ", ".join(f"{count} × {cause}" for cause, count in Counter(each.cause for each in outcomes).items())
