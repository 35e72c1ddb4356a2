#include "Library.h"

#if defined(CTLS_BORINGSSL) || defined(CTLS_OPENSSL)

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ctls_session {
    SSL *library;
    /// The buffers of the call in progress.
    ctls_buffers *buffers;
    ctls_resumption *resumption;
    /// The cause of the failure; 0 if there is none.
    unsigned long error;
    long verification;
    /// The number of KeyUpdate messages since the last plaintext, for OpenSSL.
    int key_updates;
    bool has_input_ended;
    bool has_failed;
    /// Whether the peer's certificate is verified. The library forgets it with the settings of the handshake.
    bool is_verifying;
};

struct ctls_trust {
    X509_STORE *store;
    STACK_OF(X509) *certificates;
};

struct ctls_resumption {
    /// The number of references: that of the creator, and those of sessions.
    atomic_int references;
    pthread_mutex_t lock;
    SSL_SESSION *session;
};

bool ctls_is_available(void) { return true; }

const char *ctls_library(void) {
#ifdef CTLS_BORINGSSL
    return "BoringSSL";
#else
    return OpenSSL_version(OPENSSL_VERSION);
#endif
}

// Errors

static void store_text(char *error, size_t error_size, const char *text) {
    if (error_size > 0) { snprintf(error, error_size, "%s", text); }
}

/// Stores the reason of a library's error in words: "WRONG_VERSION_NUMBER" becomes "wrong version number".
static size_t store_reason(unsigned long code, char *text, size_t capacity) {
    const char *reason = ERR_reason_error_string(code);
    if (reason == NULL) { reason = "unknown error"; }
    size_t length = 0;
    while (reason[length] != 0 && length + 1 < capacity) {
        text[length] = reason[length] == '_' ? ' ' : (char)tolower((unsigned char)reason[length]);
        length += 1;
    }
    if (capacity > 0) { text[length] = 0; }
    return length;
}

bool ctls_fail(char *error, size_t error_size) {
    store_reason(ERR_peek_last_error(), error, error_size);
    ERR_clear_error();
    return false;
}

// The channel between the library and the buffers of a call

static int channel_read(BIO *channel, char *bytes, int size) {
    ctls_session *session = BIO_get_data(channel);
    ctls_buffers *buffers = session->buffers;
    BIO_clear_retry_flags(channel);
    if (size <= 0) { return 0; }
    if (buffers == NULL || buffers->input_count == 0) {
        if (session->has_input_ended) { return 0; }
        BIO_set_retry_read(channel);
        return -1;
    }
    size_t count = buffers->input_count < (size_t)size ? buffers->input_count : (size_t)size;
    memcpy(bytes, buffers->input, count);
    buffers->input += count;
    buffers->input_count -= count;
    return (int)count;
}

static int channel_write(BIO *channel, const char *bytes, int size) {
    ctls_session *session = BIO_get_data(channel);
    ctls_buffers *buffers = session->buffers;
    BIO_clear_retry_flags(channel);
    if (size <= 0) { return 0; }
    size_t room = buffers == NULL ? 0 : buffers->output_capacity - buffers->output_count;
    if (room == 0) {
        BIO_set_retry_write(channel);
        return -1;
    }
    size_t count = room < (size_t)size ? room : (size_t)size;
    memcpy(buffers->output + buffers->output_count, bytes, count);
    buffers->output_count += count;
    return (int)count;
}

static long channel_control(BIO *channel, int command, long number, void *pointer) {
    (void)channel, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int channel_create(BIO *channel) {
    BIO_set_init(channel, 1);
    return 1;
}

static BIO_METHOD *channel_method;

static void create_channel_method(void) {
    channel_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buffers of a call");
    if (channel_method == NULL) { abort(); }
    BIO_meth_set_read(channel_method, channel_read);
    BIO_meth_set_write(channel_method, channel_write);
    BIO_meth_set_ctrl(channel_method, channel_control);
    BIO_meth_set_create(channel_method, channel_create);
}

static int session_index;
static int context_index;

/// Frees a context together with that of the library.
static void free_context(
    void *parent, void *context_pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument) {
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    ctls_context *context = context_pointer;
    if (context == NULL) { return; }
    free(context->alpn);
    if (context->ticket_keys != NULL) { ctls_ticket_keys_free(context->ticket_keys); }
    ctls_client_names_free(context);
#ifdef CTLS_OPENSSL
    ctls_staples_free(context);
#endif
    free(context);
}

static void prepare(void) {
#ifdef CTLS_OPENSSL
    // OpenSSL would free its data at exit, while the workers still use it.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
#endif
    create_channel_method();
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_context);
}

ctls_context *ctls_context_of(const SSL *library) {
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(library), context_index);
}

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

// Contexts

static int select_alpn(
    SSL *library, const uint8_t **selected, uint8_t *selected_size, const uint8_t *offered, unsigned offered_size,
    void *argument) {
    (void)library;
    const ctls_context *context = argument;
    uint8_t *choice;
    int result = SSL_select_next_proto(
        &choice, selected_size, context->alpn, (unsigned)context->alpn_size, offered, offered_size);
    // RFC 7301, 3.2: without a common protocol the server ends the handshake with no_application_protocol.
    if (result != OPENSSL_NPN_NEGOTIATED) { return SSL_TLSEXT_ERR_ALERT_FATAL; }
    *selected = choice;
    return SSL_TLSEXT_ERR_OK;
}

/// Keeps a client's new session for the next connection to the same server.
static int keep_session(SSL *library, SSL_SESSION *new) {
    ctls_session *session = SSL_get_ex_data(library, session_index);
    if (session == NULL || session->resumption == NULL) { return 0; }
    SSL_SESSION *kept = new;
#ifdef CTLS_OPENSSL
    // OpenSSL does not resume a session whose connection an alert has ended, such as one about an end without close_notify.
    kept = SSL_SESSION_dup(new);
    if (kept == NULL) { return 0; }
#endif
    pthread_mutex_lock(&session->resumption->lock);
    SSL_SESSION *old = session->resumption->session;
    session->resumption->session = kept;
    pthread_mutex_unlock(&session->resumption->lock);
    if (old != NULL) { SSL_SESSION_free(old); }
    // Otherwise the library releases its own reference.
    return kept == new;
}

#ifdef CTLS_OPENSSL
/// The number of KeyUpdate messages after which a peer that sends nothing else is refused. BoringSSL has the same limit.
enum { max_key_updates = 32 };

/// Accepts any SNI host name: without this, OpenSSL forgets it when a session of TLS 1.2 is resumed.
static int accept_name(SSL *library, int *alert, void *argument) {
    (void)library, (void)alert, (void)argument;
    return SSL_TLSEXT_ERR_OK;
}

static void count_key_updates(
    int is_sent, int version, int type, const void *message, size_t size, SSL *library, void *argument) {
    (void)version, (void)argument;
    if (is_sent || type != SSL3_RT_HANDSHAKE || size == 0 || *(const uint8_t *)message != SSL3_MT_KEY_UPDATE) { return; }
    ctls_session *session = SSL_get_ex_data(library, session_index);
    if (session != NULL) { session->key_updates += 1; }
}
#endif

ctls_context *ctls_context_new(bool is_server) {
    pthread_once(&prepared, prepare);
    ctls_context *context = calloc(1, sizeof *context);
    if (context == NULL) { return NULL; }
    context->is_server = is_server;
    context->library = SSL_CTX_new(TLS_method());
    if (context->library == NULL || SSL_CTX_set_ex_data(context->library, context_index, context) != 1) {
        SSL_CTX_free(context->library);
        free(context);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context->library, TLS1_2_VERSION);
    SSL_CTX_set_mode(
        context->library,
        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context->library, SSL_OP_CIPHER_SERVER_PREFERENCE);
#ifdef CTLS_BORINGSSL
    // BoringSSL refuses renegotiation and early data unless they are switched on.
    SSL_CTX_set1_groups_list(context->library, "X25519MLKEM768:X25519:P-256:P-384");
#else
    SSL_CTX_set_options(context->library, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_max_early_data(context->library, 0);
    SSL_CTX_set_msg_callback(context->library, count_key_updates);
    // OpenSSL has X25519MLKEM768 from version 3.5 on.
    if (SSL_CTX_set1_groups_list(context->library, "X25519MLKEM768:X25519:P-256:P-384") != 1) {
        SSL_CTX_set1_groups_list(context->library, "X25519:P-256:P-384");
    }
#endif
    // Suites with forward secrecy and authenticated encryption only.
    SSL_CTX_set_cipher_list(
        context->library, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                          "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305");
    if (is_server) {
        // Sessions are resumed by tickets alone, so the server keeps none.
        SSL_CTX_set_session_cache_mode(context->library, SSL_SESS_CACHE_OFF);
#ifdef CTLS_OPENSSL
        SSL_CTX_set_tlsext_servername_callback(context->library, accept_name);
#endif
        SSL_CTX_set_session_id_context(context->library, (const uint8_t *)"monkey", 6);
    } else {
        SSL_CTX_set_session_cache_mode(
            context->library, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->library, keep_session);
    }
    return context;
}

void ctls_context_free(ctls_context *context) {
    SSL_CTX_free(context->library);
}

bool ctls_context_set_min_version(ctls_context *context, uint16_t version) {
    return SSL_CTX_set_min_proto_version(context->library, version) == 1;
}

bool ctls_context_set_max_version(ctls_context *context, uint16_t version) {
    return SSL_CTX_set_max_proto_version(context->library, version) == 1;
}

#ifdef CTLS_OPENSSL
/// Returns whether all names of a list are known: OpenSSL ignores those that are not if there is one that is.
static bool are_known(SSL_CTX *library, const char *ciphers) {
    while (*ciphers != 0) {
        size_t length = strcspn(ciphers, ":");
        // No known name is longer.
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)length, ciphers);
        // Names begin with a letter, operators do not.
        if (isalpha((unsigned char)name[0]) && SSL_CTX_set_cipher_list(library, name) != 1) { return false; }
        ciphers += length + (ciphers[length] == ':');
    }
    return true;
}
#endif

bool ctls_context_set_ciphers(ctls_context *context, const char *ciphers, char *error, size_t error_size) {
    ERR_clear_error();
#ifdef CTLS_BORINGSSL
    if (SSL_CTX_set_strict_cipher_list(context->library, ciphers) == 1) { return true; }
#else
    if (are_known(context->library, ciphers) && SSL_CTX_set_cipher_list(context->library, ciphers) == 1) { return true; }
#endif
    return ctls_fail(error, error_size);
}

bool ctls_context_set_groups(ctls_context *context, const char *groups, char *error, size_t error_size) {
    ERR_clear_error();
    return SSL_CTX_set1_groups_list(context->library, groups) == 1 || ctls_fail(error, error_size);
}

/// Refuses a key that is encrypted, instead of asking at the terminal for its password.
static int refuse_password(char *buffer, int size, int for_writing, void *argument) {
    (void)buffer, (void)size, (void)for_writing, (void)argument;
    return 0;
}

static EVP_PKEY *read_key(const uint8_t *pem, size_t size, char *error, size_t error_size) {
    BIO *text = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = text == NULL ? NULL : PEM_read_bio_PrivateKey(text, NULL, refuse_password, NULL);
    BIO_free(text);
    if (key == NULL) {
        bool is_encrypted = memmem(pem, size, "ENCRYPTED", 9) != NULL;
        ERR_clear_error();
        store_text(error, error_size, is_encrypted ? "the private key is encrypted" : "no private key in PEM format");
    }
    return key;
}

/// Reads all certificates of a PEM text; returns NULL if there is none.
static STACK_OF(X509) *read_certificates(const uint8_t *pem, size_t size, char *error, size_t error_size) {
    STACK_OF(X509) *certificates = sk_X509_new_null();
    BIO *text = BIO_new_mem_buf(pem, (int)size);
    if (certificates != NULL && text != NULL) {
        X509 *certificate;
        while ((certificate = PEM_read_bio_X509(text, NULL, refuse_password, NULL)) != NULL) {
            if (!sk_X509_push(certificates, certificate)) { X509_free(certificate); }
        }
    }
    BIO_free(text);
    unsigned long last = ERR_peek_last_error();
    ERR_clear_error();
    bool is_whole = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (certificates != NULL && sk_X509_num(certificates) > 0 && is_whole) { return certificates; }
    sk_X509_pop_free(certificates, X509_free);
    store_text(error, error_size, is_whole ? "no certificate in PEM format" : "a certificate is damaged");
    return NULL;
}

bool ctls_context_add_certificate(
    ctls_context *context, const uint8_t *chain, size_t chain_size, const uint8_t *key, size_t key_size,
    const uint8_t *staple, size_t staple_size, char *error, size_t error_size) {
    ERR_clear_error();
    STACK_OF(X509) *certificates = read_certificates(chain, chain_size, error, error_size);
    if (certificates == NULL) { return false; }
    EVP_PKEY *private_key = read_key(key, key_size, error, error_size);
    bool is_added = false;
    if (private_key != NULL) {
        if (X509_check_private_key(sk_X509_value(certificates, 0), private_key) != 1) {
            ERR_clear_error();
            store_text(error, error_size, "the private key does not belong to the certificate");
        } else {
#ifdef CTLS_BORINGSSL
            size_t count = sk_X509_num(certificates);
            CRYPTO_BUFFER **buffers = calloc(count, sizeof *buffers);
            SSL_CREDENTIAL *credential = SSL_CREDENTIAL_new_x509();
            bool is_complete = buffers != NULL && credential != NULL;
            for (size_t index = 0; is_complete && index < count; index++) {
                uint8_t *bytes = NULL;
                int length = i2d_X509(sk_X509_value(certificates, index), &bytes);
                if (length > 0) { buffers[index] = CRYPTO_BUFFER_new(bytes, (size_t)length, NULL); }
                OPENSSL_free(bytes);
                is_complete = buffers[index] != NULL;
            }
            is_added = is_complete && SSL_CREDENTIAL_set1_cert_chain(credential, buffers, count)
                && SSL_CREDENTIAL_set1_private_key(credential, private_key);
            if (is_added && staple_size > 0) {
                CRYPTO_BUFFER *response = CRYPTO_BUFFER_new(staple, staple_size, NULL);
                is_added = response != NULL && SSL_CREDENTIAL_set1_ocsp_response(credential, response);
                CRYPTO_BUFFER_free(response);
            }
            is_added = is_added && SSL_CTX_add1_credential(context->library, credential);
            for (size_t index = 0; buffers != NULL && index < count; index++) { CRYPTO_BUFFER_free(buffers[index]); }
            free(buffers);
            SSL_CREDENTIAL_free(credential);
#else
            X509 *first = sk_X509_shift(certificates);
            is_added = SSL_CTX_use_cert_and_key(context->library, first, private_key, certificates, 1) == 1
                && (staple_size == 0 || ctls_staple_add(context, first, staple, staple_size));
            X509_free(first);
#endif
            if (!is_added) { ctls_fail(error, error_size); }
        }
    }
    EVP_PKEY_free(private_key);
    sk_X509_pop_free(certificates, X509_free);
    return is_added;
}

bool ctls_context_set_alpn(ctls_context *context, const uint8_t *protocols, size_t size) {
    if (!context->is_server) { return SSL_CTX_set_alpn_protos(context->library, protocols, (unsigned)size) == 0; }
    context->alpn = malloc(size);
    if (context->alpn == NULL) { return false; }
    memcpy(context->alpn, protocols, size);
    context->alpn_size = size;
    SSL_CTX_set_alpn_select_cb(context->library, select_alpn, context);
    return true;
}

ctls_trust *ctls_trust_new(const uint8_t *certificates, size_t size, char *error, size_t error_size) {
    ERR_clear_error();
    STACK_OF(X509) *roots = read_certificates(certificates, size, error, error_size);
    if (roots == NULL) { return NULL; }
    ctls_trust *trust = calloc(1, sizeof *trust);
    X509_STORE *store = X509_STORE_new();
    bool is_complete = trust != NULL && store != NULL;
    for (size_t index = 0; is_complete && index < (size_t)sk_X509_num(roots); index++) {
        is_complete = X509_STORE_add_cert(store, sk_X509_value(roots, index)) == 1;
    }
    if (!is_complete) {
        ctls_fail(error, error_size);
        X509_STORE_free(store);
        sk_X509_pop_free(roots, X509_free);
        free(trust);
        return NULL;
    }
    trust->store = store;
    trust->certificates = roots;
    return trust;
}

void ctls_trust_free(ctls_trust *trust) {
    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->certificates, X509_free);
    free(trust);
}

void ctls_context_set_trust(ctls_context *context, const ctls_trust *trust) {
    X509_STORE_up_ref(trust->store);
    SSL_CTX_set_cert_store(context->library, trust->store);
    if (!context->is_server) { return; }
    // The names of the authorities are sent to clients.
    for (size_t index = 0; index < (size_t)sk_X509_num(trust->certificates); index++) {
        SSL_CTX_add_client_CA(context->library, sk_X509_value(trust->certificates, index));
    }
}

void ctls_context_set_verification(ctls_context *context, ctls_verification verification) {
    int mode = SSL_VERIFY_NONE;
    if (verification != ctls_verify_none) { mode = SSL_VERIFY_PEER; }
    if (verification == ctls_verify_required) { mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT; }
    SSL_CTX_set_verify(context->library, mode, context->is_server ? ctls_verify_client : NULL);
}

// Sessions

ctls_session *ctls_session_new(ctls_context *context) {
    ctls_session *session = calloc(1, sizeof *session);
    SSL *library = SSL_new(context->library);
    BIO *channel = BIO_new(channel_method);
    if (session == NULL || library == NULL || channel == NULL) {
        free(session);
        SSL_free(library);
        BIO_free(channel);
        ERR_clear_error();
        return NULL;
    }
    session->library = library;
    session->is_verifying = SSL_CTX_get_verify_mode(context->library) != SSL_VERIFY_NONE;
    BIO_set_data(channel, session);
    SSL_set_bio(library, channel, channel);
    SSL_set_ex_data(library, session_index, session);
    if (context->is_server) {
        SSL_set_accept_state(library);
    } else {
        SSL_set_connect_state(library);
    }
#ifdef CTLS_BORINGSSL
    SSL_set_shed_handshake_config(library, 1);
#endif
    return session;
}

void ctls_session_free(ctls_session *session) {
    // OpenSSL does not resume a session whose connection was not closed, though TLS permits it (RFC 5246, 7.2.1).
    if (!session->has_failed) { SSL_set_shutdown(session->library, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
    SSL_free(session->library);
    if (session->resumption != NULL) { ctls_resumption_free(session->resumption); }
    free(session);
}

bool ctls_session_set_server(ctls_session *session, const char *name, bool is_address) {
    X509_VERIFY_PARAM *parameters = SSL_get0_param(session->library);
    if (is_address) { return X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1; }
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(parameters, name, strlen(name)) == 1
        && SSL_set_tlsext_host_name(session->library, name) == 1;
}

bool ctls_session_set_alpn(ctls_session *session, const uint8_t *protocols, size_t size) {
    return SSL_set_alpn_protos(session->library, protocols, (unsigned)size) == 0;
}

void ctls_session_set_resumption(ctls_session *session, ctls_resumption *resumption) {
    session->resumption = resumption;
    atomic_fetch_add_explicit(&resumption->references, 1, memory_order_relaxed);
    pthread_mutex_lock(&resumption->lock);
    SSL_SESSION *last = resumption->session;
    if (last != NULL) { SSL_SESSION_up_ref(last); }
    pthread_mutex_unlock(&resumption->lock);
    if (last == NULL) { return; }
    SSL_set_session(session->library, last);
    SSL_SESSION_free(last);
}

void ctls_session_choose_resumption(ctls_session *session, ctls_resumption *resumption, bool offers) {
    session->resumption = resumption;
    atomic_fetch_add_explicit(&resumption->references, 1, memory_order_relaxed);
    if (!offers) { return; }
    pthread_mutex_lock(&resumption->lock);
    SSL_SESSION *last = resumption->session;
    if (last != NULL && SSL_SESSION_get_protocol_version(last) >= TLS1_3_VERSION) {
        resumption->session = NULL;
    } else if (last != NULL) {
        SSL_SESSION_up_ref(last);
    }
    pthread_mutex_unlock(&resumption->lock);
    if (last == NULL) { return; }
    SSL_set_session(session->library, last);
    SSL_SESSION_free(last);
}

static void begin(ctls_session *session, ctls_buffers *buffers) {
    ERR_clear_error();
    session->buffers = buffers;
}

/// Ends a call of the library that returned `value`.
static ctls_result conclude(ctls_session *session, int value) {
    ctls_result result = ctls_failed;
    int error = SSL_get_error(session->library, value);
    switch (error) {
    case SSL_ERROR_NONE: result = ctls_done; break;
    case SSL_ERROR_WANT_READ: result = ctls_needs_input; break;
    case SSL_ERROR_WANT_WRITE: result = ctls_needs_output; break;
    case SSL_ERROR_ZERO_RETURN: result = ctls_closed; break;
    default:
        // BoringSSL reports an end of the input as a failed system call, OpenSSL as an error of its own.
        if (session->has_input_ended && (error == SSL_ERROR_SYSCALL || ERR_peek_error() == 0)) {
            result = ctls_truncated;
        }
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) { result = ctls_truncated; }
#endif
        break;
    }
    if (session->has_failed && result != ctls_needs_output) {
        // A failure is final, with its first cause: OpenSSL reports an end of the stream in later calls.
        result = ctls_failed;
    } else if (result == ctls_failed) {
        session->has_failed = true;
        session->error = ERR_peek_error();
        if (ERR_GET_REASON(session->error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            session->verification = SSL_get_verify_result(session->library);
        }
    }
    session->buffers = NULL;
    ERR_clear_error();
    return result;
}

ctls_result ctls_handshake(ctls_session *session, ctls_buffers *buffers) {
    begin(session, buffers);
    return conclude(session, SSL_do_handshake(session->library));
}

ctls_result ctls_read(
    ctls_session *session, ctls_buffers *buffers, uint8_t *plaintext, size_t capacity, size_t *count) {
    *count = 0;
    begin(session, buffers);
    int value = SSL_read(session->library, plaintext, capacity > INT32_MAX ? INT32_MAX : (int)capacity);
    if (value > 0) {
        *count = (size_t)value;
        session->key_updates = 0;
    }
#ifdef CTLS_OPENSSL
    if (session->key_updates > max_key_updates) {
        session->has_failed = true;
        session->error = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_TOO_MANY_KEY_UPDATES);
        session->buffers = NULL;
        ERR_clear_error();
        return ctls_failed;
    }
#endif
    return conclude(session, value);
}

ctls_result ctls_write(
    ctls_session *session, ctls_buffers *buffers, const uint8_t *plaintext, size_t size, size_t *count) {
    *count = 0;
    begin(session, buffers);
    int value = SSL_write(session->library, plaintext, size > INT32_MAX ? INT32_MAX : (int)size);
    if (value > 0) { *count = (size_t)value; }
    return conclude(session, value);
}

ctls_result ctls_close(ctls_session *session, ctls_buffers *buffers) {
    if (session->has_failed || SSL_in_init(session->library)) { return ctls_done; }
    begin(session, buffers);
    int value = SSL_shutdown(session->library);
    // 0: close_notify is sent, the peer's is not received yet.
    if (value == 0) {
        session->buffers = NULL;
        ERR_clear_error();
        return ctls_done;
    }
    return conclude(session, value);
}

void ctls_end_input(ctls_session *session) { session->has_input_ended = true; }

bool ctls_has_pending(const ctls_session *session) { return SSL_has_pending(session->library) == 1; }

int64_t ctls_failure(const ctls_session *session) {
    if (!session->has_failed) { return 0; }
    if (session->verification != X509_V_OK) { return -(int64_t)session->verification; }
    return (int64_t)session->error;
}

size_t ctls_describe(int64_t failure, char *text, size_t capacity) {
    if (failure >= 0) { return store_reason((unsigned long)failure, text, capacity); }
    switch (-failure) {
    case X509_V_ERR_HOSTNAME_MISMATCH: store_text(text, capacity, "certificate is not valid for the name"); break;
    case X509_V_ERR_IP_ADDRESS_MISMATCH: store_text(text, capacity, "certificate is not valid for the address"); break;
    case X509_V_ERR_APPLICATION_VERIFICATION:
        store_text(text, capacity, "the certificate has none of the allowed names");
        break;
    default: store_text(text, capacity, X509_verify_cert_error_string((long)-failure)); break;
    }
    return strlen(text);
}

bool ctls_is_truncation_alert(int64_t failure) {
    return failure > 0 && ERR_GET_REASON((unsigned long)failure) == SSL_R_TLSV1_ALERT_DECODE_ERROR;
}

bool ctls_is_resumed(const ctls_session *session) { return SSL_session_reused((SSL *)session->library) == 1; }

uint16_t ctls_version(const ctls_session *session) { return (uint16_t)SSL_version(session->library); }

const char *ctls_cipher(const ctls_session *session) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(session->library);
    return cipher == NULL ? "" : SSL_CIPHER_get_name(cipher);
}

const uint8_t *ctls_alpn(const ctls_session *session, size_t *size) {
    const uint8_t *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(session->library, &protocol, &length);
    *size = length;
    return protocol;
}

bool ctls_is_established(const ctls_session *session) { return !SSL_in_init(session->library); }

const char *ctls_server_name(const ctls_session *session) {
    return SSL_get_servername(session->library, TLSEXT_NAMETYPE_host_name);
}

bool ctls_peer_fingerprint(const ctls_session *session, uint8_t *fingerprint) {
    X509 *certificate = SSL_get_peer_certificate(session->library);
    if (certificate == NULL) { return false; }
    unsigned size = 0;
    bool is_stored = X509_digest(certificate, EVP_sha256(), fingerprint, &size) == 1 && size == CTLS_FINGERPRINT_SIZE;
    X509_free(certificate);
    ERR_clear_error();
    return is_stored;
}

/// Stores as much of a text as fits, with a trailing zero; returns its length.
static size_t store_part(const char *bytes, size_t length, char *text, size_t capacity) {
    if (capacity > 0) {
        size_t count = length < capacity ? length : capacity - 1;
        memcpy(text, bytes, count);
        text[count] = 0;
    }
    return length;
}

size_t ctls_peer_subject(const ctls_session *session, char *text, size_t capacity) {
    X509 *certificate = SSL_get_peer_certificate(session->library);
    BIO *output = BIO_new(BIO_s_mem());
    size_t length = 0;
    if (certificate != NULL && output != NULL
        && X509_NAME_print_ex(output, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        char *content = NULL;
        long size = BIO_get_mem_data(output, &content);
        if (size > 0) { length = store_part(content, (size_t)size, text, capacity); }
    }
    BIO_free(output);
    X509_free(certificate);
    ERR_clear_error();
    return length;
}

size_t ctls_peer_common_name(const ctls_session *session, char *text, size_t capacity) {
    X509 *certificate = SSL_get_peer_certificate(session->library);
    if (certificate == NULL) { return 0; }
    X509_NAME *subject = X509_get_subject_name(certificate);
    int last = -1;
    // Terminates: each iteration finds an entry behind the last one.
    for (int index; (index = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0;) { last = index; }
    size_t length = 0;
    if (last >= 0) {
        unsigned char *bytes = NULL;
        int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
        if (size > 0 && memchr(bytes, 0, (size_t)size) == NULL) {
            length = store_part((const char *)bytes, (size_t)size, text, capacity);
        }
        if (size >= 0) { OPENSSL_free(bytes); }
    }
    X509_free(certificate);
    ERR_clear_error();
    return length;
}

bool ctls_is_peer_verified(const ctls_session *session) {
    X509 *certificate = SSL_get_peer_certificate(session->library);
    if (certificate == NULL) { return false; }
    X509_free(certificate);
    return session->is_verifying && SSL_get_verify_result(session->library) == X509_V_OK;
}

// Resumption

ctls_resumption *ctls_resumption_new(void) {
    ctls_resumption *resumption = calloc(1, sizeof *resumption);
    if (resumption == NULL) { return NULL; }
    atomic_init(&resumption->references, 1);
    pthread_mutex_init(&resumption->lock, NULL);
    return resumption;
}

void ctls_resumption_free(ctls_resumption *resumption) {
    if (atomic_fetch_sub_explicit(&resumption->references, 1, memory_order_acq_rel) > 1) { return; }
    if (resumption->session != NULL) { SSL_SESSION_free(resumption->session); }
    pthread_mutex_destroy(&resumption->lock);
    free(resumption);
}

// Certificates

static int64_t seconds(const ASN1_TIME *time) {
#ifdef CTLS_BORINGSSL
    int64_t result = 0;
    return ASN1_TIME_to_posix(time, &result) == 1 ? result : 0;
#else
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
#endif
}

static void append_name(BIO *output, const GENERAL_NAME *name) {
    if (name->type == GEN_DNS) {
        BIO_write(output, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
        BIO_write(output, "\n", 1);
    } else if (name->type == GEN_IPADD) {
        int length = ASN1_STRING_length(name->d.iPAddress);
        char text[INET6_ADDRSTRLEN];
        int family = length == 4 ? AF_INET : AF_INET6;
        if (length != 4 && length != 16) { return; }
        if (inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text) == NULL) { return; }
        BIO_write(output, text, (int)strlen(text));
        BIO_write(output, "\n", 1);
    }
}

/// Returns the content of a memory BIO as a string; frees the BIO.
static char *take_text(BIO *output) {
    char *content = NULL;
    char *text = NULL;
    long length = BIO_get_mem_data(output, &content);
    if (length >= 0) {
        text = malloc((size_t)length + 1);
        if (text != NULL) {
            if (length > 0) { memcpy(text, content, (size_t)length); }
            text[length] = 0;
        }
    }
    BIO_free(output);
    return text;
}

/// Returns the serial number in hexadecimal digits.
static char *serial_of(X509 *certificate) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const uint8_t *bytes = ASN1_STRING_get0_data(serial);
    int length = ASN1_STRING_length(serial);
    char *text = calloc((size_t)length * 2 + 1, 1);
    for (int index = 0; text != NULL && index < length; index++) { snprintf(text + 2 * index, 3, "%02x", bytes[index]); }
    return text;
}

bool ctls_certificate_read(
    const uint8_t *pem, size_t size, ctls_certificate *certificate, char *error, size_t error_size) {
    ERR_clear_error();
    STACK_OF(X509) *certificates = read_certificates(pem, size, error, error_size);
    if (certificates == NULL) { return false; }
    X509 *first = sk_X509_value(certificates, 0);
    certificate->not_before = seconds(X509_get0_notBefore(first));
    certificate->not_after = seconds(X509_get0_notAfter(first));
    certificate->algorithm = "unknown";
    certificate->serial = serial_of(first);
    certificate->misplaced = 0;
    for (size_t index = 1; index < (size_t)sk_X509_num(certificates) && certificate->misplaced == 0; index++) {
        X509 *issuer = sk_X509_value(certificates, index);
        if (X509_check_issued(issuer, sk_X509_value(certificates, index - 1)) != X509_V_OK) {
            certificate->misplaced = index + 1;
        }
    }
    EVP_PKEY *key = X509_get_pubkey(first);
    if (key != NULL) {
        switch (EVP_PKEY_base_id(key)) {
        case EVP_PKEY_EC: certificate->algorithm = "EC"; break;
        case EVP_PKEY_RSA: certificate->algorithm = "RSA"; break;
        case EVP_PKEY_ED25519: certificate->algorithm = "Ed25519"; break;
        default: break;
        }
        EVP_PKEY_free(key);
    }
    BIO *output = BIO_new(BIO_s_mem());
    GENERAL_NAMES *names = X509_get_ext_d2i(first, NID_subject_alt_name, NULL, NULL);
    if (output != NULL && names != NULL) {
        for (size_t index = 0; index < (size_t)sk_GENERAL_NAME_num(names); index++) {
            append_name(output, sk_GENERAL_NAME_value(names, index));
        }
    }
    GENERAL_NAMES_free(names);
    certificate->names = output == NULL ? NULL : take_text(output);
    sk_X509_pop_free(certificates, X509_free);
    ERR_clear_error();
    return certificate->names != NULL && certificate->serial != NULL;
}

static bool add_extension(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, (char *)value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

bool ctls_self_signed(const char *name, bool is_address, int days, char **certificate_text, char **key_text) {
    bool is_done = false;
    *certificate_text = NULL;
    *key_text = NULL;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *generator = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    X509 *certificate = X509_new();
    char alternative[300];
    snprintf(alternative, sizeof alternative, "%s:%s", is_address ? "IP" : "DNS", name);
    uint64_t serial = 0;
    RAND_bytes((uint8_t *)&serial, sizeof serial);
    if (generator != NULL && certificate != NULL && EVP_PKEY_keygen_init(generator) == 1
        && EVP_PKEY_CTX_set_ec_paramgen_curve_nid(generator, NID_X9_62_prime256v1) == 1
        && EVP_PKEY_keygen(generator, &key) == 1) {
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
        // Some minutes ago, for clients whose clock is slow.
        X509_gmtime_adj(X509_getm_notBefore(certificate), -300);
        X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * 86400);
        X509_set_pubkey(certificate, key);
        X509_NAME *subject = X509_get_subject_name(certificate);
        // The common name is limited to 64 characters (RFC 5280, A.1); clients read the alternative name.
        X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_UTF8, (const uint8_t *)(strlen(name) <= 64 ? name : "monkey"), -1, -1, 0);
        X509_set_issuer_name(certificate, subject);
        is_done = add_extension(certificate, NID_subject_alt_name, alternative)
            && add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE")
            && X509_sign(certificate, key, EVP_sha256()) > 0;
    }
    if (is_done) {
        BIO *output = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(output, certificate);
        *certificate_text = take_text(output);
        output = BIO_new(BIO_s_mem());
        PEM_write_bio_PrivateKey(output, key, NULL, NULL, 0, NULL, NULL);
        *key_text = take_text(output);
        is_done = *certificate_text != NULL && *key_text != NULL;
    }
    EVP_PKEY_CTX_free(generator);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return is_done;
}

#else

#include <stdio.h>
#include <stdlib.h>

// Without a TLS library no context can be created, so no other function is called.

bool ctls_is_available(void) { return false; }
const char *ctls_library(void) { return "none"; }
ctls_context *ctls_context_new(bool is_server) { (void)is_server; return NULL; }
void ctls_context_free(ctls_context *context) { (void)context; abort(); }
bool ctls_context_set_min_version(ctls_context *context, uint16_t version) { (void)context, (void)version; abort(); }
bool ctls_context_set_max_version(ctls_context *context, uint16_t version) { (void)context, (void)version; abort(); }
bool ctls_context_set_ciphers(ctls_context *context, const char *ciphers, char *error, size_t error_size) {
    (void)context, (void)ciphers, (void)error, (void)error_size;
    abort();
}
bool ctls_context_set_groups(ctls_context *context, const char *groups, char *error, size_t error_size) {
    (void)context, (void)groups, (void)error, (void)error_size;
    abort();
}
bool ctls_context_add_certificate(
    ctls_context *context, const uint8_t *chain, size_t chain_size, const uint8_t *key, size_t key_size,
    const uint8_t *staple, size_t staple_size, char *error, size_t error_size) {
    (void)context, (void)chain, (void)chain_size, (void)key, (void)key_size;
    (void)staple, (void)staple_size, (void)error, (void)error_size;
    abort();
}
bool ctls_context_set_alpn(ctls_context *context, const uint8_t *protocols, size_t size) {
    (void)context, (void)protocols, (void)size;
    abort();
}
ctls_trust *ctls_trust_new(const uint8_t *certificates, size_t size, char *error, size_t error_size) {
    (void)certificates, (void)size;
    snprintf(error, error_size, "this build has no TLS library");
    return NULL;
}
void ctls_trust_free(ctls_trust *trust) { (void)trust; abort(); }
void ctls_context_set_trust(ctls_context *context, const ctls_trust *trust) { (void)context, (void)trust; abort(); }
void ctls_context_set_verification(ctls_context *context, ctls_verification verification) {
    (void)context, (void)verification;
    abort();
}
bool ctls_context_allow_client(ctls_context *context, const char *pattern) { (void)context, (void)pattern; abort(); }
ctls_ticket_keys *ctls_ticket_keys_new(void) { return NULL; }
void ctls_ticket_keys_free(ctls_ticket_keys *keys) { (void)keys; abort(); }
bool ctls_ticket_keys_set(ctls_ticket_keys *keys, const uint8_t *bytes, size_t size) {
    (void)keys, (void)bytes, (void)size;
    abort();
}
void ctls_ticket_keys_copy(ctls_ticket_keys *keys, ctls_ticket_keys *from) { (void)keys, (void)from; abort(); }
void ctls_ticket_keys_set_period(ctls_ticket_keys *keys, int64_t seconds) { (void)keys, (void)seconds; abort(); }
void ctls_ticket_keys_advance(ctls_ticket_keys *keys, int64_t seconds) { (void)keys, (void)seconds; abort(); }
void ctls_context_set_ticket_keys(ctls_context *context, ctls_ticket_keys *keys) { (void)context, (void)keys; abort(); }
void ctls_context_disable_tickets(ctls_context *context) { (void)context; abort(); }
void ctls_context_set_session_scope(ctls_context *context, const uint8_t *bytes, size_t size) {
    (void)context, (void)bytes, (void)size;
    abort();
}
ctls_session *ctls_session_new(ctls_context *context) { (void)context; abort(); }
void ctls_session_free(ctls_session *session) { (void)session; abort(); }
bool ctls_session_set_server(ctls_session *session, const char *name, bool is_address) {
    (void)session, (void)name, (void)is_address;
    abort();
}
bool ctls_session_set_alpn(ctls_session *session, const uint8_t *protocols, size_t size) {
    (void)session, (void)protocols, (void)size;
    abort();
}
void ctls_session_set_resumption(ctls_session *session, ctls_resumption *resumption) {
    (void)session, (void)resumption;
    abort();
}
void ctls_session_choose_resumption(ctls_session *session, ctls_resumption *resumption, bool offers) {
    (void)session, (void)resumption, (void)offers;
    abort();
}
ctls_result ctls_handshake(ctls_session *session, ctls_buffers *buffers) { (void)session, (void)buffers; abort(); }
ctls_result ctls_read(
    ctls_session *session, ctls_buffers *buffers, uint8_t *plaintext, size_t capacity, size_t *count) {
    (void)session, (void)buffers, (void)plaintext, (void)capacity, (void)count;
    abort();
}
ctls_result ctls_write(
    ctls_session *session, ctls_buffers *buffers, const uint8_t *plaintext, size_t size, size_t *count) {
    (void)session, (void)buffers, (void)plaintext, (void)size, (void)count;
    abort();
}
ctls_result ctls_close(ctls_session *session, ctls_buffers *buffers) { (void)session, (void)buffers; abort(); }
void ctls_end_input(ctls_session *session) { (void)session; abort(); }
bool ctls_has_pending(const ctls_session *session) { (void)session; abort(); }
int64_t ctls_failure(const ctls_session *session) { (void)session; abort(); }
size_t ctls_describe(int64_t failure, char *text, size_t capacity) {
    (void)failure;
    return (size_t)snprintf(text, capacity, "unknown");
}
bool ctls_is_truncation_alert(int64_t failure) { (void)failure; return false; }
bool ctls_is_resumed(const ctls_session *session) { (void)session; abort(); }
uint16_t ctls_version(const ctls_session *session) { (void)session; abort(); }
const char *ctls_cipher(const ctls_session *session) { (void)session; abort(); }
const uint8_t *ctls_alpn(const ctls_session *session, size_t *size) { (void)session, (void)size; abort(); }
bool ctls_is_established(const ctls_session *session) { (void)session; abort(); }
const char *ctls_server_name(const ctls_session *session) { (void)session; abort(); }
bool ctls_peer_fingerprint(const ctls_session *session, uint8_t *fingerprint) {
    (void)session, (void)fingerprint;
    abort();
}
size_t ctls_peer_subject(const ctls_session *session, char *text, size_t capacity) {
    (void)session, (void)text, (void)capacity;
    abort();
}
size_t ctls_peer_common_name(const ctls_session *session, char *text, size_t capacity) {
    (void)session, (void)text, (void)capacity;
    abort();
}
bool ctls_is_peer_verified(const ctls_session *session) { (void)session; abort(); }
ctls_resumption *ctls_resumption_new(void) { return NULL; }
void ctls_resumption_free(ctls_resumption *resumption) { (void)resumption; abort(); }
bool ctls_certificate_read(
    const uint8_t *pem, size_t size, ctls_certificate *certificate, char *error, size_t error_size) {
    (void)pem, (void)size, (void)certificate;
    snprintf(error, error_size, "this build has no TLS library");
    return false;
}
bool ctls_self_signed(const char *name, bool is_address, int days, char **certificate, char **key) {
    (void)name, (void)is_address, (void)days, (void)certificate, (void)key;
    return false;
}

#endif
