#ifndef LIB_FUZZER_H
#define LIB_FUZZER_H

#include <stddef.h>
#include <stdint.h>

// Calls `callback` once for each input, as described in https://llvm.org/docs/LibFuzzer.html for a fuzzer with its own
// main function.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
