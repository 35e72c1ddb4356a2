import CLinux

/// Privileges of the process (capabilities(7)).
public enum Capabilities {
    /// Whether the kernel exempts the process from limits such as pipe-user-pages-soft: with CAP_SYS_RESOURCE or
    /// CAP_SYS_ADMIN in the initial user namespace. Root in a container often has neither.
    public static var exceedsResourceLimits: Bool {
        guard linux_is_in_initial_user_namespace() else { return false }
        return linux_has_capability(UInt32(CAP_SYS_RESOURCE)) || linux_has_capability(UInt32(CAP_SYS_ADMIN))
    }
}
