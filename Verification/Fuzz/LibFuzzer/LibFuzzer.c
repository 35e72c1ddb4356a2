// The functions are in the compiler's fuzzer runtime, which Verification/Fuzz/run links.
#include "LibFuzzer.h"
