// The headers of the TLS library, and what the files of this target share.

#ifndef CTLS_LIBRARY_H
#define CTLS_LIBRARY_H

#include "include/CTLS.h"

// SwiftPM defines both for a plugin, which builds with all traits.
#ifdef CTLS_BORINGSSL
#undef CTLS_OPENSSL
#endif

#if defined(CTLS_BORINGSSL) || defined(CTLS_OPENSSL)

#ifdef CTLS_BORINGSSL
#include "CNIOBoringSSL_bio.h"
#include "CNIOBoringSSL_ec_key.h"
#include "CNIOBoringSSL_err.h"
#include "CNIOBoringSSL_evp.h"
#include "CNIOBoringSSL_hmac.h"
#include "CNIOBoringSSL_nid.h"
#include "CNIOBoringSSL_pem.h"
#include "CNIOBoringSSL_pool.h"
#include "CNIOBoringSSL_rand.h"
#include "CNIOBoringSSL_sha.h"
#include "CNIOBoringSSL_ssl.h"
#include "CNIOBoringSSL_x509.h"
#include "CNIOBoringSSL_x509v3.h"
#else
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#endif

/// An OCSP response and the certificate that it belongs to.
typedef struct ctls_staple ctls_staple;

struct ctls_context {
    /// Refers to this structure, which is freed together with it: sessions may outlive the owner of the context.
    SSL_CTX *library;
    bool is_server;
    /// Protocols that a server accepts, in wire format.
    uint8_t *alpn;
    size_t alpn_size;
    /// The keys of session tickets; NULL uses those of the library.
    ctls_ticket_keys *ticket_keys;
    /// The patterns of the names of clients that are accepted; none accepts all.
    char **client_names;
    size_t client_name_count;
    /// OCSP responses by certificate, for OpenSSL. BoringSSL keeps them with the certificates.
    ctls_staple *staples;
};

/// Returns the context of a session of the library.
ctls_context *ctls_context_of(const SSL *library);

/// Stores the reason of the library's last error, and returns false.
bool ctls_fail(char *error, size_t error_size);

/// Frees what ClientNames.c and Staples.c have added to a context.
void ctls_client_names_free(ctls_context *context);
void ctls_staples_free(ctls_context *context);

/// Verifies a certificate of a client's chain after the library has done so.
int ctls_verify_client(int is_verified, X509_STORE_CTX *store);

#ifdef CTLS_OPENSSL
/// Sends the response with a certificate from now on.
bool ctls_staple_add(ctls_context *context, X509 *certificate, const uint8_t *response, size_t size);
#endif

#endif

#endif
