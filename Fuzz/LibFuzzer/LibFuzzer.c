// The functions are in the compiler's fuzzer runtime, which Fuzz/run links.
#include "LibFuzzer.h"
