#include "Library.h"

#if defined(CTLS_BORINGSSL) || defined(CTLS_OPENSSL)

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    name_size = 16,
    initialization_vector_size = 16,
    max_key_size = 32,
};

typedef struct ticket_key {
    /// Sent with each ticket in the clear.
    uint8_t name[name_size];
    /// Of HMAC-SHA256 and of AES in CBC mode, both of the same size: 16 or 32 bytes.
    uint8_t hmac[max_key_size];
    uint8_t aes[max_key_size];
    size_t size;
} ticket_key;

struct ctls_ticket_keys {
    /// The number of references: that of the creator, and those of contexts.
    atomic_int references;
    pthread_mutex_t lock;
    /// The first one encrypts, all decrypt.
    ticket_key keys[ctls_max_ticket_keys];
    size_t count;
    /// The seconds after which a new key encrypts; 0 if the keys are not replaced.
    int64_t period;
    /// When that happens next, in seconds of CLOCK_BOOTTIME.
    int64_t next;
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (int64_t)time.tv_sec;
}

/// Puts a random key before the others and drops those after the second.
static void add_random_key(ctls_ticket_keys *keys) {
    if (keys->count > 0) { keys->keys[1] = keys->keys[0]; }
    ticket_key *key = &keys->keys[0];
    key->size = max_key_size;
    RAND_bytes(key->name, sizeof key->name);
    RAND_bytes(key->hmac, sizeof key->hmac);
    RAND_bytes(key->aes, sizeof key->aes);
    keys->count = keys->count == 0 ? 1 : 2;
}

ctls_ticket_keys *ctls_ticket_keys_new(void) {
    ctls_ticket_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL) { return NULL; }
    atomic_init(&keys->references, 1);
    pthread_mutex_init(&keys->lock, NULL);
    add_random_key(keys);
    return keys;
}

void ctls_ticket_keys_free(ctls_ticket_keys *keys) {
    if (atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) > 1) { return; }
    pthread_mutex_destroy(&keys->lock);
    OPENSSL_cleanse(keys, sizeof *keys);
    free(keys);
}

bool ctls_ticket_keys_set(ctls_ticket_keys *keys, const uint8_t *bytes, size_t size) {
    enum { short_size = name_size + 2 * 16, long_size = name_size + 2 * max_key_size };
    size_t count = size == short_size ? 1 : size % long_size == 0 ? size / long_size : 0;
    if (count == 0 || count > ctls_max_ticket_keys) { return false; }
    pthread_mutex_lock(&keys->lock);
    OPENSSL_cleanse(keys->keys, sizeof keys->keys);
    for (size_t index = 0; index < count; index++) {
        ticket_key *key = &keys->keys[index];
        const uint8_t *start = bytes + index * long_size;
        memcpy(key->name, start, name_size);
        // nginx has the key of AES first in the short form, and that of HMAC in the long one.
        key->size = size == short_size ? 16 : 32;
        uint8_t *first = size == short_size ? key->aes : key->hmac;
        uint8_t *second = size == short_size ? key->hmac : key->aes;
        memcpy(first, start + name_size, key->size);
        memcpy(second, start + name_size + key->size, key->size);
    }
    keys->count = count;
    keys->period = 0;
    pthread_mutex_unlock(&keys->lock);
    return true;
}

void ctls_ticket_keys_copy(ctls_ticket_keys *keys, ctls_ticket_keys *from) {
    ticket_key copies[ctls_max_ticket_keys];
    pthread_mutex_lock(&from->lock);
    size_t count = from->count;
    int64_t next = from->next;
    memcpy(copies, from->keys, sizeof copies);
    pthread_mutex_unlock(&from->lock);
    pthread_mutex_lock(&keys->lock);
    memcpy(keys->keys, copies, sizeof copies);
    keys->count = count;
    // The time of the next key is kept, or a proxy that is reloaded often would never replace it.
    if (keys->period > 0 && next > 0 && next < keys->next) { keys->next = next; }
    pthread_mutex_unlock(&keys->lock);
    OPENSSL_cleanse(copies, sizeof copies);
}

void ctls_ticket_keys_set_period(ctls_ticket_keys *keys, int64_t seconds) {
    pthread_mutex_lock(&keys->lock);
    keys->period = seconds;
    keys->next = seconds > 0 ? now() + seconds : 0;
    pthread_mutex_unlock(&keys->lock);
}

/// Replaces the keys if that is due. The caller holds the lock.
static void advance(ctls_ticket_keys *keys, int64_t time) {
    if (keys->period <= 0 || time < keys->next) { return; }
    add_random_key(keys);
    keys->next += keys->period;
    if (time < keys->next) { return; }
    // No ticket of the period before this one is to be accepted.
    add_random_key(keys);
    keys->next = time + keys->period;
}

void ctls_ticket_keys_advance(ctls_ticket_keys *keys, int64_t seconds) {
    pthread_mutex_lock(&keys->lock);
    advance(keys, now() + seconds);
    pthread_mutex_unlock(&keys->lock);
}

/// Copies the key that encrypts, or the one with a name.
///
/// - Returns: its index; -1 if there is none with the name.
static int find(ctls_ticket_keys *keys, const uint8_t *name, ticket_key *found) {
    int index = -1;
    pthread_mutex_lock(&keys->lock);
    advance(keys, now());
    for (size_t candidate = 0; candidate < keys->count && index < 0; candidate++) {
        if (name == NULL || memcmp(keys->keys[candidate].name, name, name_size) == 0) { index = (int)candidate; }
    }
    if (index >= 0) { *found = keys->keys[index]; }
    pthread_mutex_unlock(&keys->lock);
    return index;
}

#ifdef CTLS_BORINGSSL
typedef HMAC_CTX authentication;

static bool authenticate(authentication *context, const ticket_key *key) {
    return HMAC_Init_ex(context, key->hmac, key->size, EVP_sha256(), NULL) == 1;
}
#else
typedef EVP_MAC_CTX authentication;

static bool authenticate(authentication *context, const ticket_key *key) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, key->size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(context, parameters) == 1;
}
#endif

/// Prepares the encryption or decryption of a ticket.
///
/// - Returns: -1 after a failure, 0 if no key decrypts the ticket, 1 if one does, and 2 if the client is to get a new one.
static int prepare_ticket(
    SSL *library, uint8_t *name, uint8_t *vector, EVP_CIPHER_CTX *cipher, authentication *context, int encrypts) {
    ctls_ticket_keys *keys = ctls_context_of(library)->ticket_keys;
    ticket_key key;
    int index = find(keys, encrypts ? NULL : name, &key);
    if (index < 0) { return 0; }
    const EVP_CIPHER *algorithm = key.size == 16 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
    if (encrypts) {
        memcpy(name, key.name, name_size);
        RAND_bytes(vector, initialization_vector_size);
    }
    bool is_ready = authenticate(context, &key)
        && EVP_CipherInit_ex(cipher, algorithm, NULL, key.aes, vector, encrypts ? 1 : 0) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    if (!is_ready) { return -1; }
    // A ticket of TLS 1.3 is to be used once (RFC 8446, C.4).
    bool needs_new = !encrypts && (index > 0 || SSL_version(library) >= TLS1_3_VERSION);
    return needs_new ? 2 : 1;
}

void ctls_context_set_ticket_keys(ctls_context *context, ctls_ticket_keys *keys) {
    atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
    context->ticket_keys = keys;
#ifdef CTLS_BORINGSSL
    SSL_CTX_set_tlsext_ticket_key_cb(context->library, prepare_ticket);
#else
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context->library, prepare_ticket);
#endif
}

void ctls_context_disable_tickets(ctls_context *context) {
    SSL_CTX_set_options(context->library, SSL_OP_NO_TICKET);
    // OpenSSL would send tickets that refer to its cache, which is not used.
    SSL_CTX_set_num_tickets(context->library, 0);
}

void ctls_context_set_session_scope(ctls_context *context, const uint8_t *bytes, size_t size) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(bytes, size, digest);
    SSL_CTX_set_session_id_context(context->library, digest, sizeof digest);
}

#endif
