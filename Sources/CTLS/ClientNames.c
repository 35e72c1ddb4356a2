#include "Library.h"

#if defined(CTLS_BORINGSSL) || defined(CTLS_OPENSSL)

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool ctls_context_allow_client(ctls_context *context, const char *pattern) {
    char **names = realloc(context->client_names, (context->client_name_count + 1) * sizeof *names);
    if (names == NULL) { return false; }
    context->client_names = names;
    char *copy = strdup(pattern);
    if (copy == NULL) { return false; }
    names[context->client_name_count] = copy;
    context->client_name_count += 1;
    return true;
}

void ctls_client_names_free(ctls_context *context) {
    for (size_t index = 0; index < context->client_name_count; index++) { free(context->client_names[index]); }
    free(context->client_names);
}

static bool is_equal(const char *first, const uint8_t *second, size_t size, bool ignores_case) {
    if (ignores_case) { return strncasecmp(first, (const char *)second, size) == 0; }
    return memcmp(first, second, size) == 0;
}

/// Returns whether a name matches a pattern, in which an asterisk at the beginning or the end stands for any text.
static bool matches(const char *pattern, const uint8_t *name, size_t size, bool ignores_case) {
    size_t length = strlen(pattern);
    // A zero byte in a name, of which other programs would read only the part before it, matches nothing.
    if (length == 0 || memchr(name, 0, size) != NULL) { return false; }
    if (pattern[0] == '*') {
        return size >= length && is_equal(pattern + 1, name + size - (length - 1), length - 1, ignores_case);
    }
    if (pattern[length - 1] == '*') {
        return size >= length && is_equal(pattern, name, length - 1, ignores_case);
    }
    return size == length && is_equal(pattern, name, length, ignores_case);
}

static bool is_allowed(const ctls_context *context, const ASN1_STRING *name, bool ignores_case) {
    const uint8_t *bytes = ASN1_STRING_get0_data(name);
    size_t size = (size_t)ASN1_STRING_length(name);
    if (size == 0) { return false; }
    for (size_t index = 0; index < context->client_name_count; index++) {
        if (matches(context->client_names[index], bytes, size, ignores_case)) { return true; }
    }
    return false;
}

static bool has_allowed_alternative_name(const ctls_context *context, X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_found = false;
    for (size_t index = 0; names != NULL && index < (size_t)sk_GENERAL_NAME_num(names) && !is_found; index++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        switch (name->type) {
        case GEN_DNS: is_found = is_allowed(context, name->d.dNSName, true); break;
        case GEN_EMAIL: is_found = is_allowed(context, name->d.rfc822Name, true); break;
        case GEN_URI: is_found = is_allowed(context, name->d.uniformResourceIdentifier, false); break;
        default: break;
        }
    }
    GENERAL_NAMES_free(names);
    return is_found;
}

static bool has_allowed_common_name(const ctls_context *context, X509 *certificate) {
    X509_NAME *subject = X509_get_subject_name(certificate);
    int index = -1;
    while ((index = X509_NAME_get_index_by_NID(subject, NID_commonName, index)) >= 0) {
        uint8_t *bytes = NULL;
        int size = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
        if (size < 0) { continue; }
        bool is_found = false;
        for (size_t pattern = 0; pattern < context->client_name_count && !is_found; pattern++) {
            is_found = size > 0 && matches(context->client_names[pattern], bytes, (size_t)size, true);
        }
        OPENSSL_free(bytes);
        if (is_found) { return true; }
    }
    return false;
}

int ctls_verify_client(int is_verified, X509_STORE_CTX *store) {
    if (!is_verified || X509_STORE_CTX_get_error_depth(store) > 0) { return is_verified; }
    SSL *library = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const ctls_context *context = ctls_context_of(library);
    if (context->client_name_count == 0) { return 1; }
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (has_allowed_alternative_name(context, certificate) || has_allowed_common_name(context, certificate)) { return 1; }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

#endif
