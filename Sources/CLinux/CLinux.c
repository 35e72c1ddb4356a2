#include "CLinux.h"

// All other code is in the header. These variables must exist once.

static int argument_count = 0;
static char **argument_values = 0;

// The C library passes the arguments of main to constructors.
__attribute__((constructor)) static void save_arguments(int count, char **values, char **environment) {
    (void)environment;
    argument_count = count;
    argument_values = values;
}

int linux_argument_count(void) { return argument_values ? argument_count : 0; }

const char *linux_argument(int index) {
    return index >= 0 && index < linux_argument_count() ? argument_values[index] : 0;
}
