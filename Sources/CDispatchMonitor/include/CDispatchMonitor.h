// Replacements for two functions of libdispatch, by the linker's option --wrap.

void __wrap__dispatch_workq_worker_register(void *queue);
void __wrap__dispatch_workq_worker_unregister(void *queue);
