// SwiftPM needs one file to compile; all code is in the header.
#include "CLinux.h"
