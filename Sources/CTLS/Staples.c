#include "Library.h"

#ifdef CTLS_OPENSSL

#include <stdlib.h>
#include <string.h>

struct ctls_staple {
    X509 *certificate;
    uint8_t *response;
    size_t size;
    ctls_staple *next;
};

/// Sends the response of the certificate that the handshake uses.
static int send_staple(SSL *library, void *argument) {
    (void)argument;
    X509 *used = SSL_get_certificate(library);
    for (ctls_staple *staple = ctls_context_of(library)->staples; staple != NULL && used != NULL; staple = staple->next) {
        if (X509_cmp(staple->certificate, used) != 0) { continue; }
        // Freed by the session.
        uint8_t *copy = OPENSSL_memdup(staple->response, staple->size);
        if (copy == NULL) { break; }
        SSL_set_tlsext_status_ocsp_resp(library, copy, (long)staple->size);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

bool ctls_staple_add(ctls_context *context, X509 *certificate, const uint8_t *response, size_t size) {
    ctls_staple *staple = calloc(1, sizeof *staple);
    uint8_t *copy = OPENSSL_memdup(response, size);
    if (staple == NULL || copy == NULL) {
        free(staple);
        OPENSSL_free(copy);
        return false;
    }
    X509_up_ref(certificate);
    *staple = (ctls_staple){certificate, copy, size, context->staples};
    context->staples = staple;
    SSL_CTX_set_tlsext_status_cb(context->library, send_staple);
    return true;
}

void ctls_staples_free(ctls_context *context) {
    while (context->staples != NULL) {
        ctls_staple *staple = context->staples;
        context->staples = staple->next;
        X509_free(staple->certificate);
        OPENSSL_free(staple->response);
        free(staple);
    }
}

#endif
