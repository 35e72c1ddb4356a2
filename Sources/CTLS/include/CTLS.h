// A small interface to a TLS library: sessions that read and write the caller's buffers and never touch a socket.
//
// The library's own headers stay in CTLS.c, so that no Swift module reads them and another library can take its place.

#ifndef CTLS_H
#define CTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// The settings of sessions: certificates, protocols, verification. Immutable once the first session exists; may then be
/// used by several threads.
typedef struct ctls_context ctls_context;

/// One end of a TLS connection. Used by one thread at a time.
typedef struct ctls_session ctls_session;

/// The last resumable session of a client with one server. May be used by several threads.
typedef struct ctls_resumption ctls_resumption;

/// The keys of a server's session tickets. May be used by several contexts and threads.
typedef struct ctls_ticket_keys ctls_ticket_keys;

/// The certificates of trusted authorities. May be used by several contexts and threads.
typedef struct ctls_trust ctls_trust;

/// The buffers of one call.
typedef struct ctls_buffers {
    /// Bytes received from the peer; advanced past those that were consumed.
    const uint8_t *_Nullable input;
    size_t input_count;
    /// Where bytes for the peer are stored.
    uint8_t *_Nullable output;
    size_t output_capacity;
    /// The number of bytes stored in `output`, including those before the call.
    size_t output_count;
} ctls_buffers;

typedef enum ctls_result {
    ctls_done,
    /// All input is consumed, and more is needed.
    ctls_needs_input,
    /// There is no room for the output: the call is to be repeated with an emptied buffer.
    ctls_needs_output,
    /// The peer has sent close_notify.
    ctls_closed,
    /// The input has ended without close_notify.
    ctls_truncated,
    /// The connection has failed. The output may end with an alert.
    ctls_failed,
} ctls_result;

typedef enum ctls_verification {
    /// The peer's certificate is not requested, or not verified.
    ctls_verify_none,
    /// A client may send a certificate, which must then be valid.
    ctls_verify_optional,
    /// The peer must send a valid certificate.
    ctls_verify_required,
} ctls_verification;

/// Returns whether a TLS library is part of this build.
bool ctls_is_available(void);

/// Returns the name of the TLS library.
const char *ctls_library(void);

// Contexts. Functions that can fail store a message of one line in `error`.

/// Creates a context for TLS 1.2 and 1.3; returns NULL if the system is out of memory or there is no TLS library.
ctls_context *_Nullable ctls_context_new(bool is_server);
void ctls_context_free(ctls_context *context);

/// Sets the minimum version: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3.
bool ctls_context_set_min_version(ctls_context *context, uint16_t version);

/// Sets the maximum version, in the same format.
bool ctls_context_set_max_version(ctls_context *context, uint16_t version);

/// Sets the cipher suites of TLS 1.2 in the library's syntax.
bool ctls_context_set_ciphers(ctls_context *context, const char *ciphers, char *error, size_t error_size);

/// Sets the key exchange groups, separated by colons, the preferred one first.
bool ctls_context_set_groups(ctls_context *context, const char *groups, char *error, size_t error_size);

/// Adds a certificate chain with its key, both PEM. A server with several selects one by the client's algorithms.
///
/// `staple` is the OCSP response that is sent with the certificate if the client requests it; its size is 0 if there is
/// none.
bool ctls_context_add_certificate(
    ctls_context *context, const uint8_t *chain, size_t chain_size, const uint8_t *key, size_t key_size,
    const uint8_t *_Nullable staple, size_t staple_size, char *error, size_t error_size);

/// Sets the application protocols in wire format (RFC 7301, 3.1): those that a client offers, or that a server accepts in
/// the order of its preference.
bool ctls_context_set_alpn(ctls_context *context, const uint8_t *protocols, size_t size);

/// Reads the certificates of authorities in a PEM text; returns NULL if that fails.
ctls_trust *_Nullable ctls_trust_new(const uint8_t *certificates, size_t size, char *error, size_t error_size);
void ctls_trust_free(ctls_trust *trust);

/// Verifies peers with these authorities. The context keeps what it needs of them.
void ctls_context_set_trust(ctls_context *context, const ctls_trust *trust);

void ctls_context_set_verification(ctls_context *context, ctls_verification verification);

/// Accepts only clients that have a name which matches this or another pattern: a DNS name, email address or URI in
/// subjectAltName, or a common name. An asterisk at the beginning or the end of a pattern stands for at least one character.
bool ctls_context_allow_client(ctls_context *context, const char *pattern);

// Session tickets of a server.

enum {
    /// The maximum number of keys.
    ctls_max_ticket_keys = 16,
};

/// Creates keys, of which one is random; returns NULL if the system is out of memory or there is no TLS library.
ctls_ticket_keys *_Nullable ctls_ticket_keys_new(void);
/// Ends the creator's reference.
void ctls_ticket_keys_free(ctls_ticket_keys *keys);

/// Replaces the keys: the first one encrypts, all decrypt.
///
/// A key has 80 bytes: its name (16), the keys of HMAC-SHA256 (32) and of AES-256 (32). A single one may also have 48: its
/// name, the keys of AES-128 (16) and of HMAC-SHA256 (16). These are the files of nginx' ssl_session_ticket_key.
bool ctls_ticket_keys_set(ctls_ticket_keys *keys, const uint8_t *bytes, size_t size);

/// Copies the keys and the time of the next one.
void ctls_ticket_keys_copy(ctls_ticket_keys *keys, ctls_ticket_keys *from);

/// Lets a new random key encrypt after each period from now on, in seconds; the one before it decrypts for another period.
/// 0 keeps the keys.
void ctls_ticket_keys_set_period(ctls_ticket_keys *keys, int64_t seconds);

/// Does what is due in a number of seconds, for tests.
void ctls_ticket_keys_advance(ctls_ticket_keys *keys, int64_t seconds);

void ctls_context_set_ticket_keys(ctls_context *context, ctls_ticket_keys *keys);
/// Sends no session tickets, so that no session is resumed.
void ctls_context_disable_tickets(ctls_context *context);

/// Lets only sessions be resumed that began in a context with the same bytes here, though others may have the same keys.
void ctls_context_set_session_scope(ctls_context *context, const uint8_t *bytes, size_t size);

// Sessions.

/// Creates a session; returns NULL if the system is out of memory. The session keeps what it needs of the context.
ctls_session *_Nullable ctls_session_new(ctls_context *context);
void ctls_session_free(ctls_session *session);

/// Sets the name or IP address of the server: a name is sent as SNI, and both are compared with the certificate if it is
/// verified.
bool ctls_session_set_server(ctls_session *session, const char *name, bool is_address);

/// Sets the application protocols that a client offers, in wire format, in place of those of the context.
bool ctls_session_set_alpn(ctls_session *session, const uint8_t *protocols, size_t size);

/// Resumes a session with the server if possible, and stores the new one. The session keeps a reference.
void ctls_session_set_resumption(ctls_session *session, ctls_resumption *resumption);

/// Stores the new session with the server, and resumes the stored one only if `offers` is true. A session of TLS 1.3 is
/// offered once (RFC 8446, C.4).
void ctls_session_choose_resumption(ctls_session *session, ctls_resumption *resumption, bool offers);

/// Continues the handshake.
ctls_result ctls_handshake(ctls_session *session, ctls_buffers *buffers);

/// Decrypts input to `plaintext`, at most one record.
ctls_result ctls_read(
    ctls_session *session, ctls_buffers *buffers, uint8_t *plaintext, size_t capacity, size_t *count);

/// Encrypts the beginning of `plaintext`, at most one record, and returns its length in `count`.
///
/// The output must have room for 16,640 bytes and those that an earlier call left behind.
ctls_result ctls_write(
    ctls_session *session, ctls_buffers *buffers, const uint8_t *plaintext, size_t size, size_t *count);

/// Stores close_notify in the output.
ctls_result ctls_close(ctls_session *session, ctls_buffers *buffers);

/// Records that no input follows what has been passed.
void ctls_end_input(ctls_session *session);

/// Returns whether input has been consumed that is not decrypted completely, or whose plaintext is not read.
bool ctls_has_pending(const ctls_session *session);

/// Returns a number for the cause of the failure; 0 if there is none.
int64_t ctls_failure(const ctls_session *session);

/// Stores the words for a cause, in lower case and without a trailing period; returns their length.
size_t ctls_describe(int64_t failure, char *text, size_t capacity);

/// Returns whether the cause is an alert about an end of the stream without close_notify: decode_error, as OpenSSL sends it.
bool ctls_is_truncation_alert(int64_t failure);

// Properties of a session after its handshake.

bool ctls_is_resumed(const ctls_session *session);
/// Returns the version, such as 0x0304.
uint16_t ctls_version(const ctls_session *session);
/// Returns OpenSSL's name of the cipher suite.
const char *ctls_cipher(const ctls_session *session);
/// Returns the application protocol and stores its length; zero if there is none.
const uint8_t *_Nullable ctls_alpn(const ctls_session *session, size_t *size);

/// Returns whether the handshake is complete, so that the properties are valid.
bool ctls_is_established(const ctls_session *session);
/// Returns the SNI host name as the client sent it; NULL if it sent none.
const char *_Nullable ctls_server_name(const ctls_session *session);

/// The size of a fingerprint in bytes: SHA-256.
#define CTLS_FINGERPRINT_SIZE 32

/// Stores the hash of the peer's certificate; returns false if there is none.
bool ctls_peer_fingerprint(const ctls_session *session, uint8_t *fingerprint);
/// Stores the subject of the peer's certificate in the format of RFC 4514, in printable ASCII and as much of it as fits, with
/// a trailing zero; returns its length, 0 if there is none.
size_t ctls_peer_subject(const ctls_session *session, char *text, size_t capacity);
/// Stores the last common name of the peer's certificate in UTF-8 like `ctls_peer_subject`; none if it has a zero byte.
size_t ctls_peer_common_name(const ctls_session *session, char *text, size_t capacity);
/// Returns whether there is a certificate of the peer that has been verified.
bool ctls_is_peer_verified(const ctls_session *session);

// Resumption.

ctls_resumption *_Nullable ctls_resumption_new(void);
/// Ends the creator's reference.
void ctls_resumption_free(ctls_resumption *resumption);

// Certificates.

typedef struct ctls_certificate {
    /// The DNS names and IP addresses, each followed by a newline; released with free().
    char *_Nullable names;
    /// Seconds since 1970.
    int64_t not_before;
    int64_t not_after;
    /// "EC", "RSA" or another name of the key's algorithm.
    const char *_Nullable algorithm;
    /// The serial number in hexadecimal digits; released with free().
    char *_Nullable serial;
    /// The number, from 2, of the first certificate of the text that has not issued the one before it; 0 if there is none.
    size_t misplaced;
} ctls_certificate;

/// Reads the first certificate of a PEM text.
bool ctls_certificate_read(
    const uint8_t *pem, size_t size, ctls_certificate *certificate, char *error, size_t error_size);

/// Creates a certificate for a DNS name or an IP address, signed by its own key, valid for a number of days; returns both as
/// PEM texts that are released with free().
bool ctls_self_signed(
    const char *name, bool is_address, int days, char *_Nullable *_Nonnull certificate, char *_Nullable *_Nonnull key);

#pragma clang assume_nonnull end

#endif
