"""The proof that each case can fail: for each case, a proxy with the fault that the case must detect."""

from dataclasses import dataclass

from adapters import Adapter
from contract import Case
from matrix import Matrix, Status
from others import FaultyProxy

EXTRA_TRIES = 2
"""On a busy machine a faulty proxy may be too slow to show its fault at the critical moment."""


@dataclass(frozen=True)
class Fault:
    """A fault of a proxy, and the cases that detect it."""

    description: str
    detected_by: tuple[str, ...]


FAULTS = {
    "none": Fault(
        "a plain relay: no timeouts, no limits, no drain, no keepalive, and a reset waits indefinitely",
        (
            "a_stalled_reader_does_not_keep_a_reset_connection",
            "a_silent_server_is_a_reset_when_time_is_out",
            "an_idle_connection_is_ended",
            "a_half_closed_connection_at_rest_is_ended",
            "a_lifetime_ends_the_busy_too",
            "keep_alive_is_on_by_default",
            "a_vanished_peer_is_noticed_by_keep_alive",
            "a_vanished_peer_counts_as_reset",
            "bytes_nobody_acknowledges_end_it_in_time",
            "what_it_ends_by_itself_it_resets",
            "beyond_the_maximum_a_client_waits",
            "beyond_the_queue_a_connect_is_slow",
            "out_of_descriptors_it_serves_again",
            "newcomers_are_refused_by_a_drain",
            "it_ends_with_its_last_connection",
            "what_outlasts_the_grace_is_reset",
            "a_second_signal_cuts_at_once",
            "its_port_is_free_at_once",
            "tls_slow_handshakes_are_ended",
        ),
    ),
    "corrupt": Fault(
        "one byte is altered",
        (
            "every_byte_arrives_in_order",
            "pieces_of_any_size_arrive_whole",
            "both_directions_flow_at_once",
            "tls_bytes_arrive_in_order",
        ),
    ),
    "mixed-connections": Fault("a byte of one connection ends up in another", ("connections_keep_their_bytes_apart",)),
    "nagle": Fault("small pieces wait for acknowledgements", ("small_pieces_are_passed_on_at_once",)),
    "held-last-byte": Fault(
        "the last byte waits for the next",
        (
            "the_tail_of_a_burst_is_not_held",
            "the_server_may_speak_first",
            "tls_messages_of_any_size_are_not_held",
        ),
    ),
    "delayed-full-buffers": Fault(
        "data that fills its buffer of 16 KiB waits for 2 ms",
        ("responses_of_any_size_are_not_held", "large_messages_in_turn_are_not_held"),
    ),
    "held-last-byte-of-streams": Fault(
        "after 16 MiB the last byte waits for the next", ("the_end_of_a_sustained_stream_is_not_held",)
    ),
    "lost-last-byte": Fault(
        "the last byte before EOF is lost",
        (
            "an_end_comes_after_the_last_byte",
            "a_request_and_its_end_get_their_answer",
            "ends_at_the_same_moment_lose_nothing",
            "ends_of_bulk_both_ways_lose_nothing",
            "a_close_after_sending_loses_nothing",
            "the_server_may_be_slow_to_accept",
            "bytes_and_ends_pass_between_unix_sockets",
            "a_reset_is_an_end_to_a_unix_socket",
            "any_other_close_of_a_unix_socket_is_an_end",
        ),
    ),
    "connect-on-first-data": Fault(
        "the server is connected when the client sends",
        ("the_server_is_connected_before_the_client_speaks",),
    ),
    "short-connect-timeout": Fault(
        "the connect timeout is 0.3 s",
        ("early_bytes_wait_for_the_server", "a_client_that_ended_meanwhile_is_served"),
    ),
    "urgent-out-of-band": Fault(
        "urgent data is removed from the stream",
        ("urgent_data_stays_in_line", "urgent_data_in_bulk_stays_in_line", "urgent_data_before_an_end_arrives"),
    ),
    "all-urgent": Fault("all data is sent as urgent", ("the_urgent_mark_is_not_passed_on",)),
    "no-eof": Fault(
        "EOF is not forwarded",
        ("an_empty_connection_is_passed_on", "a_server_that_ends_at_once_is_an_end"),
    ),
    "no-half-close": Fault(
        "EOF closes both directions",
        (
            "an_end_leaves_the_other_direction_flowing",
            "tls_close_notify_leaves_the_other_direction_flowing",
        ),
    ),
    "short-half-close": Fault(
        "the half-close timeout is 0.3 s",
        ("a_half_closed_connection_may_rest", "time_outs_spare_a_transfer_that_crawls"),
    ),
    "leaked-sockets": Fault("sockets are not closed", ("when_both_have_ended_nothing_is_kept",)),
    "reset-as-eof": Fault(
        "a reset is forwarded as EOF",
        (
            "a_reset_passes_as_a_reset",
            "a_reset_after_bytes_is_still_a_reset",
            "a_close_with_unread_data_is_a_reset",
            "a_reset_passes_after_an_end_the_other_way",
            "a_server_that_resets_at_once_is_a_reset",
            "a_unix_socket_closed_with_unread_data_is_a_reset",
            "tls_a_reset_is_forwarded_after_the_bytes",
            "tls_an_altered_record_is_a_reset",
        ),
    ),
    "reset-overtakes-data": Fault(
        "a reset overtakes the data before it",
        (
            "what_came_before_a_reset_arrives_first",
            "last_words_before_a_reset_arrive",
            "an_early_answer_outlives_an_unread_upload",
        ),
    ),
    "reset-discards-queue": Fault("a reset discards queued data", ("a_reset_in_bulk_loses_nothing_received",)),
    "no-reset-to-sender": Fault(
        "a sender is not reset when the other side is gone",
        (
            "sending_to_a_closed_side_meets_a_reset",
            "a_sender_hears_that_its_reader_was_reset",
            "a_reset_after_its_own_end_is_passed_on",
            "simultaneous_resets_leave_nothing",
        ),
    ),
    "refusal-as-eof": Fault(
        "a client without a server sees EOF",
        (
            "a_refused_connection_is_a_reset",
            "early_bytes_do_not_hide_a_refusal",
            "an_unreachable_server_is_a_reset",
        ),
    ),
    "exit-on-error": Fault(
        "exits when a server refuses, or a client is reset",
        ("a_server_that_comes_back_is_used", "clients_gone_before_service_harm_nobody"),
    ),
    "unwatched-client": Fault(
        "a client is not watched during the connect to its server",
        ("a_client_reset_meanwhile_ends_the_attempt",),
    ),
    "unlimited-buffer": Fault(
        "buffers all data in its memory",
        (
            "a_stalled_reader_stops_the_sender",
            "tls_a_stalled_reader_stops_the_sender",
        ),
    ),
    "large-buffer": Fault(
        "buffers up to 2 MiB of each direction in its memory",
        (
            "little_is_held_for_a_stalled_reader",
            "a_crowd_of_stalled_readers_leaves_little_to_hold",
            "stalled_readers_cost_little_memory",
        ),
    ),
    "buffer-per-connection": Fault("keeps a large buffer for each connection", ("connections_at_rest_hold_no_buffer",)),
    "alternating-directions": Fault(
        "one direction waits for the other", ("a_stalled_direction_leaves_the_other_alone",)
    ),
    "one-at-a-time": Fault("connections are served one after the other", (
            "stalled_connections_leave_others_alone",
            "tls_slow_handshakes_leave_others_alone",
        )),
    "closed-slow-readers": Fault("a connection with a slow reader is closed", ("a_slow_reader_gets_everything",)),
    "busy-polling": Fault("polls for data each millisecond", ("connections_at_rest_wake_nobody",)),
    "early-timeouts": Fault(
        "connections end at half of any timeout, and by default",
        (
            "movement_one_way_is_not_idle",
            "the_half_close_time_out_spares_what_moves",
            "by_default_rest_is_no_reason_to_end",
            "an_idle_connection_is_ended",
        ),
    ),
    "reset-at-maximum": Fault(
        "connections beyond a maximum are reset",
        ("a_crowd_at_the_maximum_is_served_in_turn", "beyond_the_maximum_a_client_waits"),
    ),
    "exit-on-signal": Fault(
        "exits at the signal, with all connections",
        (
            "running_connections_outlive_a_drain",
            "who_waits_to_be_accepted_is_served_by_a_drain",
            "who_waits_for_a_place_is_served_by_a_drain",
            "nobody_is_connected_and_then_reset_by_a_drain",
            "tls_handshakes_complete_in_a_drain",
            "tls_a_forced_close_is_a_reset",
        ),
    ),
    "ignored-end": Fault(
        "EOF of a side with TLS is not forwarded",
        ("tls_close_notify_without_a_fin_is_an_end", "tls_a_fin_without_close_notify_is_an_end"),
    ),
    "no-close-notify": Fault(
        "EOF is forwarded without close_notify",
        ("tls_close_notify_is_forwarded", "tls_pending_bytes_outlive_a_drain"),
    ),
    "unread-after-end": Fault(
        "bytes after close_notify are left unread, so that closing resets",
        ("tls_bytes_after_close_notify_are_ignored",),
    ),
    "lost-last-record": Fault(
        "the bytes before EOF of a side with TLS are lost if they arrive with it",
        ("tls_ends_at_the_same_moment_lose_nothing",),
    ),
    "lost-early-data": Fault(
        "plaintext in the segment of the handshake is lost", ("tls_bytes_in_the_segment_of_the_handshake_arrive",)
    ),
    "whole-hello": Fault(
        "the ClientHello must arrive in one segment", ("tls_handshakes_in_single_bytes_complete",)
    ),
    "no-alert": Fault("a failed handshake is a reset", ("tls_failed_handshakes_get_an_alert",)),
    "connect-first": Fault(
        "the server is connected before the handshake",
        ("tls_garbage_ends_the_connection", "tls_an_end_during_the_handshake_is_not_a_connection"),
    ),
    "unverified": Fault("servers are not verified", ("tls_a_server_that_is_not_trusted_is_a_reset",)),
    "sigpipe": Fault("is terminated by SIGPIPE", ("a_broken_pipe_signal_does_nothing",)),
}


def pairs(chosen: list[Case]) -> list[tuple[Adapter, Case]]:
    """Returns the proxy with each fault, and the cases that must detect it."""
    return [
        (FaultyProxy(name), case) for name, fault in FAULTS.items() for case in chosen if case.name in fault.detected_by
    ]


def report(chosen: list[Case], matrix: Matrix) -> int:
    """Prints the faults that a case did not detect, and returns the exit status."""
    detected = {outcome.case.title for outcome in matrix.outcomes.values() if outcome.status is Status.BROKEN}
    missed = [outcome for outcome in matrix.outcomes.values() if outcome.status is not Status.BROKEN]
    for outcome in missed:
        description = FAULTS[outcome.adapter.fault].description
        print(f"{outcome.case.title} did not detect: {description} {outcome.observation}")
    idle = [case.title for case in chosen if case.title not in detected]
    for title in idle:
        print(f"{title} did not fail")
    print(f"{len(detected)} cases failed with a faulty proxy, {len(idle)} did not fail")
    return 1 if missed or idle else 0
