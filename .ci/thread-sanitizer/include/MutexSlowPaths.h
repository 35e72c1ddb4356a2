// Nothing is called from Swift: the linker does it.
