// SwiftPM wants one file to compile; everything is in the header.
#include "CLinux.h"
