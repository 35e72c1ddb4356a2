// The functions are in the compiler's own library, which Fuzz/run links.
#include "LibFuzzer.h"
